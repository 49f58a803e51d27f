"""Rank the runs of a sweep with several goals, of which no single run is the best."""

from collections.abc import Sequence

import pandas as pd

from workshop.errors import WorkshopError
from workshop.importance import rank
from workshop.server.metric import Metric
from workshop.server.search.pareto import fronts


def rank_fronts(frame: pd.DataFrame, goals: Sequence[Metric]) -> pd.DataFrame:
    """Return the runs that finished with a finite value of every goal, front by front.

    Front 1 is the Pareto front: no other run is at least as good by every goal and better by one.
    Which of its runs to take, the goals do not say: that is yours to weigh.

    Args:
        frame: runs as `fetch_runs` returns them.
        goals: what the sweep optimizes, as `Metric.goals_of` returns it: two or more columns.

    Returns:
        The rows of the frame, with their `front` as the first column; within a front, the best by
        the first goal comes first.

    Raises:
        WorkshopError: there are fewer than two goals, or the frame lacks one of them.
    """
    if len(goals) < 2:
        raise WorkshopError(
            f"a front needs two goals or more, got {len(goals)}: `rank` ranks by a single one"
        )
    ranked = frame
    for goal in reversed(goals):
        ranked = rank(ranked, goal.name, goal.goal)
    losses = pd.DataFrame({goal.name: goal.sign * ranked[goal.name] for goal in goals})
    ranked.insert(0, "front", fronts(list(losses.itertuples(index=False, name=None))))
    return ranked.sort_values("front", kind="stable", ignore_index=True)
