import itertools
import math

import numpy as np
import pandas as pd
import pytest

from workshop import analyze
from workshop.errors import WorkshopError

METRIC = "Validation Accuracy"


def runs(values, states=None):
    names = [f"r{number}" for number in range(len(values))]
    return pd.DataFrame(
        {
            "run": names,
            "name": names,
            "state": states or ["finished"] * len(values),
            METRIC: np.array(values, dtype=float),
        }
    )


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_formula_agrees_with_every_order_there_is(goal):
    """Of seven runs one failed and two are equal: all 5,040 orders, counted out."""
    values = [30, 80, math.nan, 95, 60, 60, 91]
    states = ["finished", "finished", "failed", *["finished"] * 4]
    table = analyze.best_so_far(runs(values, states), METRIC, goal)
    best, nothing = (np.fmax, -math.inf) if goal == "maximize" else (np.fmin, math.inf)
    orders = np.array(list(itertools.permutations(values)))
    so_far = best.accumulate(orders, axis=1)
    for number, row in enumerate(table.itertuples()):
        column = so_far[:, number]
        known = column[~np.isnan(column)]
        assert row.runs == number + 1
        assert row.expected == pytest.approx(known.mean())
        assert row.lost == pytest.approx(abs(best.reduce(values) - known.mean()))
        inverted = np.where(np.isnan(column), nothing, column)
        low, high = np.quantile(inverted, [0.05, 0.95], method="inverted_cdf")
        expected = [math.nan if math.isinf(end) else end for end in (low, high)]
        assert [row.low, row.high] == pytest.approx(expected, nan_ok=True)
    assert list(table["in_order"]) == pytest.approx(list(best.accumulate(values)))
    assert table["lost"].iloc[-1] == 0
    assert (table["lost"].diff()[1:] <= 0).all()


def test_nothing_until_the_first_run_that_succeeded():
    table = analyze.best_so_far(
        runs([1, math.nan, 50, 70], ["running", "crashed", "finished", "finished"]), METRIC
    )
    assert list(table["runs"]) == [1, 2, 3]
    assert math.isnan(table["in_order"][0])
    assert list(table["in_order"][1:]) == [50, 70]


@pytest.mark.parametrize(
    "frame", [runs([]), runs([5.0], ["failed"]), runs([math.nan, math.inf])], ids=str
)
def test_no_result_is_an_empty_table(frame):
    assert analyze.best_so_far(frame, METRIC).empty


def test_one_run_is_all_there_is():
    (row,) = analyze.best_so_far(runs([7]), METRIC).to_dict("records")
    assert row == {"runs": 1, "in_order": 7, "expected": 7, "low": 7, "high": 7, "lost": 0}


def test_a_thousand_runs_keep_their_digits():
    table = analyze.best_so_far(runs(np.arange(1000)), METRIC)
    # The mean of the largest of n out of 0..N-1 is n (N + 1) / (n + 1) - 1.
    n = table["runs"]
    assert table["expected"].to_numpy() == pytest.approx((n * 1001 / (n + 1) - 1).to_numpy())


def test_unknown_metric_is_said():
    with pytest.raises(WorkshopError, match="'Accuracy'"):
        analyze.best_so_far(runs([1]), "Accuracy")
