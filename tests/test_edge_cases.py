"""Sweeps of every odd kind: each function of the analysis says something useful about them."""

import math

import numpy as np
import pandas as pd
import pytest

from sweepserver.search import Scale
from workshop import analyze
from workshop.analyze import plots

METRIC = "Validation Accuracy"
SCALES = {"learning_rate": Scale("log"), "optimizer": Scale("category")}
NONE_YET = f"No run has finished with a {METRIC} yet."


def sweep(count, **columns):
    """Return runs as `fetch_runs` does."""
    draw = np.random.default_rng(0)
    rates = 10 ** draw.uniform(-4, -1, count)
    return pd.DataFrame(
        {
            "run": [f"r{number}" for number in range(count)],
            "name": [f"sweep-{number}" for number in range(count)],
            "state": "finished",
            "learning_rate": rates,
            "optimizer": draw.choice(["adam", "sgd"], count),
            "Train Loss": 1.0,
            METRIC: 90 + 10 * np.log10(rates),
            "Effective Learning Rate": rates,
            "started": pd.Timestamp("2026-01-02T10:00Z")
            + pd.to_timedelta(np.arange(count) * 10.0, unit="s"),
            "seconds": 8.0,
            "host": "node1",
            "array_task": None,
        }
    ).assign(**columns)


def curves(frame):
    """Return what `history` does for runs that log two epochs."""
    epochs = frame[["run", METRIC]].merge(pd.DataFrame({"Epoch": [1, 2]}), how="cross")
    return epochs.assign(step=epochs["Epoch"])[["run", "step", "Epoch", METRIC]]


def words(frame):
    """Return the alternative text of every figure, which a figure without data shows."""
    weights = analyze.importance(frame, METRIC, SCALES)
    drawn = {
        "parallel": plots.parallel_coordinates(frame, SCALES, METRIC),
        "importance": plots.importance_bars(weights, METRIC),
        "best": plots.best_so_far(analyze.best_so_far(frame, METRIC), METRIC),
        "curves": plots.learning_curves(curves(frame), plots.run_labels(frame, SCALES)),
        "timeline": plots.task_timeline(frame),
    }
    for figure in drawn.values():
        figure.to_json()
    return {name: figure.layout.meta["alt"] for name, figure in drawn.items()}


def test_zero_runs():
    frame = sweep(0)
    said = words(frame)
    assert said["parallel"] == said["best"] == NONE_YET
    assert "at least 5 finished runs" in said["importance"]
    assert said["curves"] == "These runs have logged nothing yet."
    assert said["timeline"] == "No run of this sweep has started yet."
    assert analyze.requested_and_effective(frame).empty
    assert analyze.left_out(frame, METRIC).empty


def test_one_run():
    said = words(sweep(1))
    assert "1 finished run over" in said["parallel"]
    assert "so far: 1" in said["importance"]
    assert "1 to 1" in said["best"]
    assert "Learning curves of 1 run," in said["curves"]
    assert "Timeline of 1 run:" in said["timeline"]


@pytest.mark.parametrize("state", ["failed", "crashed", "killed"])
def test_only_failed_runs(state):
    """They have last values all the same, and a time in which they ran."""
    frame = sweep(8, state=state)
    said = words(frame)
    assert said["parallel"] == said["best"] == NONE_YET
    assert "so far: 0" in said["importance"]
    assert "Timeline of 8 runs" in said["timeline"]
    reasons = analyze.left_out(frame, METRIC)["reason"]
    assert len(reasons) == 8
    assert not reasons.str.contains("never logged").any()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metric_that_was_never_logged_or_never_finite(value):
    frame = sweep(8, **{METRIC: value})
    said = words(frame)
    assert said["parallel"] == said["best"] == NONE_YET
    assert "so far: 0" in said["importance"]
    reasons = analyze.left_out(frame, METRIC)["reason"]
    assert reasons.str.contains(f"{METRIC}").all()
    said = "never logged" if math.isnan(value) else "not a finite number"
    assert reasons.str.contains(said).all()


def test_some_runs_have_no_finite_metric():
    frame = sweep(12)
    frame.loc[:3, METRIC] = [math.nan, math.inf, -math.inf, math.nan]
    said = words(frame)
    assert "4 runs left out" in said["parallel"]
    assert "8 runs" in said["importance"]
    assert "1 to 12" in said["best"]


def test_parameter_that_never_varied():
    frame = sweep(8, optimizer="adam")
    weights = analyze.importance(frame, METRIC, SCALES)
    assert weights.loc["optimizer", "remark"] == "It was adam in every run."
    assert weights.loc["learning_rate", "importance"] == pytest.approx(1)
    assert "8 runs: learning_rate 1.00, " in words(frame)["importance"]


def test_metric_that_is_the_same_in_every_run():
    assert words(sweep(8, **{METRIC: 90.0}))["importance"] == f"{METRIC} is 90 in every run."


def test_metric_that_exploded_in_one_run():
    """It is finite for a computer, but no forest can learn from it."""
    frame = sweep(8)
    frame.loc[0, METRIC] = 1e300
    said = words(frame)
    assert said["importance"].startswith(f"{METRIC} reaches 1e+300, which makes all other")
    assert "Best: Validation Accuracy 1e+300" in said["parallel"]


def test_a_thousand_runs():
    said = words(sweep(1000))
    assert "1000 finished runs" in said["parallel"]
    assert "1000 runs: learning_rate" in said["importance"]
    assert "1 to 1000" in said["best"]
    assert "Learning curves of 1000 runs" in said["curves"]
    assert "Timeline of 1000 runs" in said["timeline"]
