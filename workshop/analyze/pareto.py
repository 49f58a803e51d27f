"""Pareto fronts: rank the runs of a sweep with several goals."""

from collections.abc import Mapping, Sequence

import pandas as pd

from sweepserver.search.metric import Metric
from sweepserver.search.pareto import fronts
from workshop.analyze.ranking import rank
from workshop.errors import WorkshopError

Goal = Metric | Mapping[str, str]
"""A goal, also as a definition's `metrics` has it: `{"name": "Loss", "goal": "minimize"}`."""


def metrics(goals: Sequence[Goal]) -> list[Metric]:
    """Return goals as the metrics that they are.

    Raises:
        WorkshopError: one of them has no name.
    """
    found = [goal if isinstance(goal, Metric) else Metric.of({"metric": goal}) for goal in goals]
    for goal, metric in zip(goals, found, strict=True):
        if metric is None:
            raise WorkshopError(
                f"a goal must name its metric, got {goal!r}: write it as "
                '{"name": "Epoch Seconds", "goal": "minimize"}'
            )
    return [metric for metric in found if metric]


def rank_by(frame: pd.DataFrame, goals: Sequence[Metric]) -> pd.DataFrame:
    """Return a sweep's runs that count: by `rank` with one goal, by `rank_fronts` with several.

    Without a goal, those are the finished runs in their order.

    Args:
        frame: runs as `fetch_runs` returns them.
        goals: the sweep's goals, as `Metric.goals_of` returns them.

    Raises:
        WorkshopError: the frame lacks a goal.
    """
    if len(goals) > 1:
        return rank_fronts(frame, goals)
    if goals:
        return rank(frame, goals[0].name, goals[0].goal)
    return frame[frame["state"] == "finished"]


def rank_fronts(frame: pd.DataFrame, goals: Sequence[Goal]) -> pd.DataFrame:
    """Return the runs that finished with a finite value of every goal, front by front.

    Front 1 is the Pareto front: no other run is at least as good by every goal and better by one.
    The goals don't say which of its runs to choose; that's up to you.

    Args:
        frame: runs as `fetch_runs` returns them.
        goals: the sweep's goals, as in its definition's `metrics`: two or more columns.

    Returns:
        The rows of the frame, with their `front` as the first column; within a front, the best by
        the first goal comes first.

    Raises:
        WorkshopError: there are fewer than two goals, one has no name, or the frame lacks it.
    """
    if len(goals) < 2:
        raise WorkshopError(
            f"a Pareto front needs at least two goals, got {len(goals)}: use `rank` for one goal"
        )
    ranked, found = frame, metrics(goals)
    for goal in reversed(found):
        ranked = rank(ranked, goal.name, goal.goal)
    losses = pd.DataFrame({goal.name: goal.sign * ranked[goal.name] for goal in found})
    ranked.insert(0, "front", fronts(list(losses.itertuples(index=False, name=None))))
    return ranked.sort_values("front", kind="stable", ignore_index=True)
