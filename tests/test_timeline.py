"""The timeline of an array's tasks."""

import pandas as pd
import pytest

from workshop.analyze.plots.style import GRAY
from workshop.analyze.plots.timelines import COLORS, array_timeline

STARTS = ["task", "start", "node", "began", "ended", "kind"]
RUNS = ["name", "array_task", "started", "seconds"]


def starts(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=STARTS)


def runs(*rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=RUNS)
    return frame.assign(started=pd.to_datetime(frame["started"], unit="s", utc=True))


def bars(figure, name):
    """Return (task, begin, length) of the bars with a name in the legend."""
    return [
        bar
        for trace in figure.data
        if trace.name == name
        for bar in zip(trace.y, trace.base, trace.x, strict=True)
    ]


@pytest.fixture
def figure():
    return array_timeline(
        starts(
            ("17_1", 1, "node1", 1000.0, 1020.0, "finished"),
            ("17_2", 1, "node2", 1000.0, 1010.0, "node failure"),
            ("17_2", 2, "node1", 1025.0, 1050.0, "finished"),
            ("17_10", 1, "node2", 1012.0, 1013.0, "no work left"),
        ),
        runs(("calm-sweep-1", "17_1", 1006.0, 10.0), ("calm-sweep-2", "17_2", 1006.0, 30.0)),
    )


def test_every_start_is_a_bar_in_the_color_of_its_end(figure):
    assert bars(figure, "finished") == [("17_1", 0, 20), ("17_2", 25, 25)]
    assert bars(figure, "node failure") == [("17_2", 0, 10)]
    assert bars(figure, "no work left") == [("17_10", 12, 1)]
    colors = {trace.name: trace.marker.color for trace in figure.data}
    assert colors["node failure"] == COLORS["node failure"]
    assert colors["no work left"] == GRAY


def test_a_run_is_drawn_where_its_task_was_started_once(figure):
    assert bars(figure, "its run") == [("17_1", 6, 10)]


def test_the_first_task_is_on_top_and_what_ended_how_is_said(figure):
    assert list(figure.layout.yaxis.categoryarray) == ["17_10", "17_2", "17_1"]
    alt = figure.layout.meta["alt"]
    assert alt.startswith("Timeline of 3 tasks in 4 starts over 50 s.")
    assert "2 finished, 1 node failure, 1 no work left" in alt


def test_the_share_of_runs_is_said_if_no_task_was_interrupted():
    whole = array_timeline(
        starts(("17_1", 1, "node1", 1000.0, 1020.0, "finished")),
        runs(("calm-sweep-1", "17_1", 1006.0, 10.0)),
    )
    assert "50 % of their time was spent on runs" in whole.layout.meta["alt"]


def test_without_a_start_it_says_so():
    figure = array_timeline(starts(), runs())
    assert "No array task of this sweep has started" in figure.layout.meta["alt"]
