"""Pareto fronts: rank the runs of a sweep with several goals."""

from collections.abc import Sequence

import pandas as pd

from sweepserver.search.metric import Metric
from sweepserver.search.pareto import fronts
from workshop.analyze.ranking import rank
from workshop.errors import WorkshopError


def rank_fronts(frame: pd.DataFrame, goals: Sequence[Metric]) -> pd.DataFrame:
    """Return the runs that finished with a finite value of every goal, front by front.

    Front 1 is the Pareto front: no other run is at least as good by every goal and better by one.
    The goals don't say which of its runs to choose; that's up to you.

    Args:
        frame: runs as `fetch_runs` returns them.
        goals: the sweep's goals, as `Metric.goals_of` returns them: two or more columns.

    Returns:
        The rows of the frame, with their `front` as the first column; within a front, the best by
        the first goal comes first.

    Raises:
        WorkshopError: there are fewer than two goals, or the frame lacks one of them.
    """
    if len(goals) < 2:
        raise WorkshopError(
            f"a Pareto front needs at least two goals, got {len(goals)}: use `rank` for one goal"
        )
    ranked = frame
    for goal in reversed(goals):
        ranked = rank(ranked, goal.name, goal.goal)
    losses = pd.DataFrame({goal.name: goal.sign * ranked[goal.name] for goal in goals})
    ranked.insert(0, "front", fronts(list(losses.itertuples(index=False, name=None))))
    return ranked.sort_values("front", kind="stable", ignore_index=True)
