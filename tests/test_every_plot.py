"""What every figure keeps to, found by its function's arguments: a new one is tried as well."""

import inspect

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from sweepserver.search import Scale
from sweepserver.search.metric import Metric
from workshop import analyze
from workshop.analyze import plots, search_methods

FIGURES = [
    name
    for name in plots.__all__
    if inspect.signature(getattr(plots, name)).return_annotation is go.Figure
]
# Plotly interprets a little HTML, and fills values into the texts under the pointer.
EVIL = "<b>x</b><a href='https://evil.example'>y</a>%{q}"
METRIC = f"{EVIL} m"
RUNS = [f"r{number}" for number in range(8)]
SCALES = {EVIL: Scale("category")}
GOALS = [Metric(METRIC, maximize=True), Metric("seconds")]
HYPERBAND = {"type": "hyperband", "min_iter": 1}


def runs() -> pd.DataFrame:
    """Eight runs on two array tasks, the fourth one failed."""
    begins = [0, 1, 12, 14, 20, 25, 40, 45]
    return pd.DataFrame(
        {
            "run": RUNS,
            "name": EVIL,
            "state": ["finished"] * 3 + ["failed"] + ["finished"] * 4,
            EVIL: [f"{EVIL}{number % 2}" for number in range(8)],
            METRIC: [60.0, 70.0, 95.0, np.nan, 80.0, 81.0, 20.0, 30.0],
            "started": pd.Timestamp("2026-01-02T10:00Z") + pd.to_timedelta(begins, unit="s"),
            "seconds": [10.0, 10, 8, 4, 12, 10, 10, 10],
            "host": EVIL,
            "array_task": [f"17_{number % 2}" for number in range(8)],
        }
    )


def epochs() -> pd.DataFrame:
    rows = [(run, epoch, epoch, 20.0 * epoch) for run in RUNS for epoch in (1, 2, 3)]
    return pd.DataFrame(rows, columns=["run", "step", "Epoch", METRIC])


@pytest.fixture(scope="module")
def given() -> dict:
    """The arguments, by their names; those of one function alone are `function.argument`."""
    frame, curves = runs(), {EVIL: [1.0, 2, 3], "other": [3.0, 2, 1]}
    numbers = frame.assign(**{EVIL: np.repeat([0.1, 0.01, 0.001, 0.0001], 2)})
    compared = {"method": EVIL, "runs": [1, 2], "middle": 5.0, "low": 4.0, "high": 6.0}
    started = {"task": ["17_0"], "start": 1, "node": EVIL, "began": 0.0, "ended": 60.0}
    return {
        "frame": frame,
        "metric": METRIC,
        "parameters": SCALES,
        "history": epochs(),
        "labels": dict.fromkeys(RUNS, EVIL),
        "goals": GOALS,
        "runs": frame,
        "array_timeline.starts": pd.DataFrame(started | {"kind": "finished"}),
        "best_so_far.table": analyze.best_so_far(frame, METRIC),
        "contour.frame": numbers,
        "contour.parameters": dict.fromkeys(numbers, Scale("log")),
        "contour.x": EVIL,
        "contour.y": "seconds",
        "hyperband.table": search_methods.stop_early(curves, HYPERBAND, agents=2),
        "hyperband.curves": curves,
        "hyperband.brackets": search_methods.brackets(HYPERBAND, 3),
        "importance_bars.table": analyze.importance(frame, METRIC, SCALES),
        "method_comparison.table": pd.DataFrame(compared | {"searches": 2}),
        "pareto_front.table": analyze.rank_fronts(frame, GOALS),
        "point_intervals.table": analyze.rank_points(frame, METRIC, SCALES),
    }


def drawn(name: str, given: dict, rows: slice = slice(None)) -> go.Figure:
    """Draw a figure with all arguments that it must have, and with some rows of its tables."""
    function = getattr(plots, name)
    arguments = {}
    for key, parameter in inspect.signature(function).parameters.items():
        value = given.get(f"{name}.{key}", given.get(key, parameter.default))
        assert value is not parameter.empty, f"add the argument {name}.{key} to the fixture"
        arguments[key] = value[rows] if isinstance(value, pd.DataFrame) else value
    return function(**arguments)


@pytest.mark.parametrize("name", FIGURES)
def test_names_and_values_are_shown_letter_by_letter(name, given):
    figure = drawn(name, given)
    assert figure.data
    assert len(figure.layout.meta.pop("alt")) > 20, "and this text is no HTML"
    shown = figure.to_json().replace("\\u003c", "<")
    assert "%{q}" not in shown
    assert "<a href" not in shown


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_to_draw_is_said(name, given):
    figure = drawn(name, given, slice(0))
    assert not figure.data
    (note,) = figure.layout.annotations
    assert note.text.endswith(".")
    assert figure.layout.meta["alt"].endswith(".")


def test_there_are_figures_to_try():
    assert len(FIGURES) >= 13
