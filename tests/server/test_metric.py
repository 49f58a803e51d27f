"""By which number a sweep judges a run, however the program logs its metric."""

import subprocess
import sys

import pytest
import wandb
from sweeps import SweepRun

from workshop import fetching, sweep
from workshop.server import search

PROGRAM = """
import sys, wandb
with wandb.init(settings={"console": "off"}) as run:
    run.define_metric("acc", summary="max")
    for value in (0.2, 0.9 * run.config["x"], 0.3):
        run.log({"acc": value, "val": {"acc": value}, "a.b": value})
"""
NAMES = ("acc", "acc.max", "val.acc", "a.b")


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize("logged", [[], [3.0, 1, 2.5], [float("nan"), 7]])
@pytest.mark.parametrize("summary", [{}, {"loss": 2}, {"loss": float("inf")}, {"loss": "NaN"}])
def test_the_best_of_history_and_summary_is_what_the_engine_of_wandb_takes(goal, logged, summary):
    run = SweepRun(history=[{"loss": value} for value in logged], summary_metrics=summary)
    try:
        theirs = run.metric_extremum("loss", goal)
    except ValueError:
        theirs = None
    finite = [value for value in logged if value == value]
    extremes = {"loss": {"min": min(finite), "max": max(finite)}} if finite else {}
    assert search.judge({"name": "loss", "goal": goal}, summary, extremes) == theirs


@pytest.mark.parametrize(
    ("name", "summary", "expected"),
    [
        ("acc", {"acc": {"max": 0.9, "min": 0.1}}, 0.9),
        ("acc", {"acc": {"best": 0.8}}, 0.8),
        ("acc.max", {"acc": {"max": 0.9}}, 0.9),
        ("val.acc", {"val": {"acc": 0.7}}, 0.7),
        ("val.acc", {"val.acc": 0.6}, 0.6),
        ("val", {"val": {"acc": 0.7}}, None),
        ("acc", {"acc": True}, None),
    ],
)
def test_a_summary_may_be_nested_or_aggregated(name, summary, expected):
    assert search.judge({"name": name, "goal": "maximize"}, summary) == expected


def test_what_was_logged_of_a_metric_counts_for_its_aggregate():
    logged = {"acc": {"min": 0.1, "max": 0.9}}
    assert search.judge({"name": "acc.max", "goal": "maximize"}, {}, logged) == 0.9
    assert search.judge({"name": "acc.min", "goal": "minimize"}, {}, logged) == 0.1
    assert search.judge({"name": "acc.mean", "goal": "minimize"}, {}, logged) is None


@pytest.mark.parametrize(("name", "reached"), [("acc", [0.45, 0.9]), ("val.acc", [0.3, 0.3])])
def test_client_server_and_kit_read_the_same_value(server, tmp_path, name, reached):
    config = {
        "command": ["${env}", "python", "train.py"],
        "method": "grid",
        "metric": {"name": name, "goal": "maximize", "target": 0.85},
        "parameters": {"x": {"values": [0.5, 1, 0.1, 0.2]}},
    }
    (tmp_path / "train.py").write_text(PROGRAM)
    path = f"{server.entity}/metric/{wandb.sweep(config, project='metric')}"
    subprocess.run([sys.executable, "-m", "wandb", "agent", path], cwd=tmp_path, check=True)
    found = sweep.get(path)
    assert found.state.upper() == "FINISHED", "the second run reached the target"
    assert sweep.states(path) == {"finished": 2}
    assert sweep.remaining(path) == 0
    frame = fetching.fetch_runs(path)
    assert frame[name].tolist() == pytest.approx(reached)
    if name == "acc":
        assert found.best_run().config["x"] == 1
    rows = fetching.history(frame["path"], NAMES)
    for each in NAMES:
        assert rows[each].tolist() == pytest.approx([0.2, 0.45, 0.3, 0.2, 0.9, 0.3])
