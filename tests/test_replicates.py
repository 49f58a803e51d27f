import math

import numpy as np
import pandas as pd
import pytest

from sweepserver.search import Scale
from workshop import analyze
from workshop.analyze import plots
from workshop.errors import WorkshopError

METRIC = "Validation Accuracy"
SCALES = {"learning_rate": Scale("log"), "seed": Scale("linear")}
RATES = [0.1, 0.01, 0.001, 0.0001]


def runs(values):
    """Return runs with the seeds 0, 1, ..., from a list of results by learning rate."""
    rows = [(rate, seed, value) for rate in values for seed, value in enumerate(values[rate])]
    frame = pd.DataFrame(rows, columns=["learning_rate", "seed", METRIC], dtype=float)
    frame["run"] = [f"r{number}" for number in range(len(frame))]
    return frame.assign(name=frame["run"], state="finished")


def simulated(draw, seeds):
    """Return a sweep with noise of deviation 1 over means that scatter as far, and those means."""
    means = draw.normal(0, 1, len(RATES))
    values = dict(zip(RATES, means[:, None] + draw.normal(0, 1, (len(RATES), seeds)), strict=True))
    return runs(values), dict(zip(RATES, means, strict=True))


def test_replicates_of_a_point_are_one_row():
    frame = runs({0.1: [50, 54, 52], 0.01: [90, math.nan], 0.001: [70, 72]})
    frame.loc[3, "learning_rate"] = 1e-2  # the same number
    frame = pd.concat([frame, frame[-1:].assign(run="late", state="running", **{METRIC: 99})])
    table = analyze.rank_points(frame, METRIC, SCALES)
    assert list(table.index) == [1, 2, 3]
    assert list(table["learning_rate"]) == [0.01, 0.001, 0.1]
    assert list(table["runs"]) == [1, 2, 3]
    assert list(table["left_out"]) == [1, 0, 0]
    assert list(table["mean"]) == [90, 71, 52]
    assert table["error"].tolist() == pytest.approx([math.nan, 1, 2 / math.sqrt(3)], nan_ok=True)
    # Student's t with 1 and with 2 degrees of freedom.
    reach = [12.7062, 4.30265 * 2 / math.sqrt(3)]
    assert (table["high"] - table["mean"])[1:].tolist() == pytest.approx(reach, rel=1e-4)
    assert (table["mean"] - table["low"])[1:].tolist() == pytest.approx(reach, rel=1e-4)
    least = analyze.rank_points(frame, METRIC, SCALES, "minimize")
    assert list(least["learning_rate"]) == [0.1, 0.001, 0.01]
    assert least["probability"].idxmax() == 1


def test_probabilities_add_up_and_repeat():
    frame, _ = simulated(np.random.default_rng(0), 3)
    first, second = (analyze.rank_points(frame, METRIC, SCALES) for _ in range(2))
    assert first["probability"].sum() == pytest.approx(1)
    pd.testing.assert_frame_equal(first, second)
    other = analyze.rank_points(frame, METRIC, SCALES, seed=1)
    assert first["probability"].to_numpy() == pytest.approx(other["probability"], abs=0.03)


def test_equal_points_share_the_probability():
    table = analyze.rank_points(runs({rate: [1, 1] for rate in RATES}), METRIC, SCALES)
    assert table["probability"].tolist() == [0.25] * 4
    assert (table["low"] == table["high"]).all()


def test_a_single_run_gets_the_spread_of_the_others_or_nothing_is_said():
    single = runs({0.1: [51], 0.01: [50]})
    assert analyze.rank_points(single, METRIC, SCALES)["probability"].isna().all()
    mixed = runs({0.1: [51], 0.01: [50, 52, 48, 50]})
    table = analyze.rank_points(mixed, METRIC, SCALES)
    assert 0.55 < table["probability"][1] < 0.8
    assert math.isnan(table["low"][1])


def test_no_run_is_an_empty_table_and_an_unknown_metric_is_said():
    assert analyze.rank_points(runs({}), METRIC, SCALES).empty
    with pytest.raises(WorkshopError, match="'Accuracy'"):
        analyze.rank_points(runs({0.1: [1]}), "Accuracy", SCALES)


def test_seeds_alone_are_replicates_of_one_point():
    frame = runs({0.1: [50, 54, 52], 0.01: [90]}).drop(columns="learning_rate")
    frame.loc[3, "state"] = "failed"
    scales = {"seed": SCALES["seed"]}
    table = analyze.rank_points(frame, METRIC, scales)
    assert table[["runs", "left_out", "mean"]].to_numpy().tolist() == [[3, 1, 52]]
    figure = plots.point_intervals(table, METRIC, scales)
    assert list(figure.data[0].y) == ["1. all runs"]
    assert "1 point by mean Validation Accuracy" in figure.layout.meta["alt"]
    assert "First: all runs with 52 (47.03 to 56.97) from 3 runs" in figure.layout.meta["alt"]
    assert analyze.rank_points(frame[:0], METRIC, scales).empty


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_cover_the_true_mean(seeds):
    """Of 95 % intervals over 600 simulated means, 95 % hold the mean, give or take two."""
    draw, covered = np.random.default_rng(seeds), []
    for _ in range(150):
        frame, means = simulated(draw, seeds)
        for row in analyze.rank_points(frame, METRIC, SCALES).itertuples():
            covered.append(row.low <= means[row.learning_rate] <= row.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)


def test_of_points_called_the_best_with_some_probability_that_share_is():
    draw, said, true = np.random.default_rng(0), [], []
    for _ in range(400):
        frame, means = simulated(draw, 3)
        table = analyze.rank_points(frame, METRIC, SCALES)
        said += list(table["probability"])
        true += [means[rate] == max(means.values()) for rate in table["learning_rate"]]
    said, true = np.array(said), np.array(true)
    for low, high in ((0, 0.05), (0.05, 0.3), (0.3, 0.6), (0.6, 0.85), (0.85, 1.01)):
        chosen = (low <= said) & (said < high)
        assert true[chosen].mean() == pytest.approx(said[chosen].mean(), abs=0.1)
    sure = said > 0.85
    assert true[sure].mean() > said[sure].mean() - 0.03  # not too sure of itself


def test_a_thousand_points_take_no_more_than_memory_for_their_draws():
    draw = np.random.default_rng(0)
    values = {float(rate): draw.normal(0, 1, 3) for rate in range(1, 1001)}
    table = analyze.rank_points(runs(values), METRIC, SCALES)
    assert len(table) == 1000
    assert table["probability"].sum() == pytest.approx(1)


class TestFigure:
    def test_whiskers_are_the_intervals_of_the_table(self):
        table = analyze.rank_points(
            runs({0.1: [50, 54], 0.01: [90, 94], 0.001: [9]}), METRIC, SCALES
        )
        figure = plots.point_intervals(table, METRIC, SCALES)
        (marks,) = figure.data
        assert list(marks.x) == list(table["mean"])
        assert list(marks.error_x.array)[:2] == list(table["high"] - table["mean"])[:2]
        assert marks.y[0] == "1. learning_rate 0.01"
        assert marks.customdata[0] == "learning_rate 0.01<br>2 runs"
        assert figure.layout.annotations[0].text == (f"{100 * table['probability'][1]:.0f} %")
        alt = figure.layout.meta["alt"]
        assert "3 points by mean Validation Accuracy over seeds. First: learning_rate 0.01" in alt
        assert "from 2 runs, the best with a probability of" in alt

    def test_what_became_of_a_lucky_winner_is_marked(self):
        chosen = analyze.rank_points(runs({0.1: [95], 0.01: [93]}), METRIC, SCALES)
        confirmed = analyze.rank_points(runs({0.1: [90, 91], 0.01: [93, 92]}), METRIC, SCALES)
        figure = plots.point_intervals(confirmed, METRIC, SCALES, chosen)
        assert list(figure.data[0].x) == [93, 95]
        assert "learning_rate 0.1 from 95 to 90.5" in figure.layout.meta["alt"]

    def test_single_runs_and_no_runs_are_said(self):
        table = analyze.rank_points(runs({0.1: [50], 0.01: [90]}), METRIC, SCALES)
        figure = plots.point_intervals(table, METRIC, SCALES)
        assert "nothing says how certain" in figure.layout.meta["alt"]
        assert "new seeds" in figure.layout.title.subtitle.text
        empty = plots.point_intervals(table[:0], METRIC, SCALES)
        assert "No run has finished" in empty.layout.meta["alt"]

    def test_of_many_points_the_best_are_drawn(self):
        values = {float(rate): [rate, rate + 1] for rate in range(1, 51)}
        table = analyze.rank_points(runs(values), METRIC, SCALES)
        figure = plots.point_intervals(table, METRIC, SCALES)
        assert len(figure.data[0].x) == 20
        assert "best 20 of 50" in figure.layout.title.subtitle.text

    def test_long_points_take_several_lines_and_lack_what_they_were_not_given(self):
        frame = runs({0.1: [90, 91], 0.01: [93, 92]})
        frame["weight_decay_of_the_first_layer"] = [0.001, 0.001, math.nan, math.nan]
        frame["optimizer"] = "sgd"
        scales = SCALES | {
            "weight_decay_of_the_first_layer": Scale("log"),
            "optimizer": Scale("category", ("adam", "sgd")),
        }
        table = analyze.rank_points(frame, METRIC, scales)
        marks = plots.point_intervals(table, METRIC, scales).data[0]
        assert marks.y[0] == "1. learning_rate 0.01, optimizer sgd"
        assert marks.y[1] == (
            "2. learning_rate 0.1,<br>weight_decay_of_the_first_layer 0.001,<br>optimizer sgd"
        )
        assert all(len(line) <= 44 for line in marks.y[1].split("<br>"))
