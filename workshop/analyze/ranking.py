"""Rank the runs of a sweep that finished, and explain why the others are left out."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sweepserver.search.metric import Metric
from workshop.errors import WorkshopError
from workshop.wording import listed

_UNFINISHED = {
    "pending": "has not started yet",
    "running": "is still running, so its last value is not its final one",
    "preempted": "was preempted and is waiting to be resumed",
    "preempting": "is being preempted",
    "failed": "failed: its program ended with an error",
    "crashed": "crashed: its process stopped reporting",
    "killed": "was stopped before its end",
    "stopped early": "was stopped early by the sweep, because it was behind when compared",
}


def metric_and_goal(definition: Mapping[str, Any]) -> tuple[str, str]:
    """Return the metric that a sweep's runs are ranked by, and its goal, as `rank` takes them.

    Args:
        definition: the sweep's, as in `fetch_runs(path).attrs["definition"]`.

    Raises:
        WorkshopError: the sweep has no metric, or several goals.
    """
    metric = Metric.of(definition)
    if metric is not None:
        return metric.name, metric.goal
    if goals := Metric.goals_of(definition):
        raise WorkshopError(
            f"this sweep has several goals ({listed(goal.name for goal in goals)}), so no run is "
            "the best: rank its fronts (`rank_fronts`), or rank by one of the goals"
        )
    raise WorkshopError(
        "this sweep has no metric, so no run is the best: choose a sweep with a metric, or rank by "
        "a column of the table"
    )


def rank(frame: pd.DataFrame, metric: str, goal: str = "maximize") -> pd.DataFrame:
    """Return the runs that finished with a finite metric, the best first, counted from 1.

    Args:
        frame: runs as `fetch_runs` returns them.
        metric: a column of it.
        goal: `maximize` or `minimize`, as in the sweep configuration.

    Raises:
        WorkshopError: the frame has no such column, or the goal is unknown.
    """
    if goal not in ("maximize", "minimize"):
        raise WorkshopError(f"goal {goal!r} is not known: use 'maximize' or 'minimize'")
    ranked = frame[_counts(frame, metric)].sort_values(
        metric, ascending=goal == "minimize", kind="stable", ignore_index=True
    )
    ranked.index = pd.RangeIndex(1, len(ranked) + 1, name="rank")
    return ranked


def left_out(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the runs that `rank` leaves out, each with the reason.

    Returns:
        Columns `run`, `name` and `reason` (a sentence).

    Raises:
        WorkshopError: the frame has no column `metric`.
    """
    others = frame.loc[~_counts(frame, metric), ["run", "name", "state", metric]]
    early = frame.get("stopped_early", pd.Series(False, frame.index))[others.index]
    states = others["state"].mask(early.astype(bool), "stopped early")
    reasons = [
        f"Run {name} {_UNFINISHED.get(state) or _missing(metric, value)}."
        for name, state, value in zip(others["name"], states, others[metric], strict=True)
    ]
    return others[["run", "name"]].assign(reason=reasons).reset_index(drop=True)


def _counts(frame: pd.DataFrame, metric: str) -> pd.Series:
    """Return for each run whether it finished with a finite metric."""
    if metric not in frame:
        raise WorkshopError(
            f"the runs have no column {metric!r}: use one of {', '.join(map(str, frame))}"
        )
    return (frame["state"] == "finished") & frame[metric].abs().lt(math.inf)


def _missing(metric: str, value: float) -> str:
    if math.isnan(value):
        return f"finished without a {metric}: it was never logged, or it was not a number"
    return f"finished with a {metric} of {value}, which is not a finite number"
