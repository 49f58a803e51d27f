"""Run the best points of a sweep again with new seeds: was the winner more than luck?

The best of many runs is a point that does well and a run that was lucky.  New seeds share the
first and not the second, so their mean is what the point can be expected to reach.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workshop import sweep
from workshop.analysis import fetch_runs, hyperparameters, rank_points
from workshop.config import POINT, resolve
from workshop.errors import WorkshopError
from workshop.replicates import SEED
from workshop.search_space import parameters
from workshop.server.metric import Metric
from workshop.style import count, listed, point_text, value_text

MARK = "Confirms "
"""How the description of a follow-up sweep begins; the path of the sweep follows."""

KEPT = ("program", "command", "metric")
"""The sections of a definition that a follow-up sweep takes over; its runs go on to their end."""


@dataclass(frozen=True)
class FollowUp:
    """A sweep of the best points of another one, with new seeds.

    Attributes:
        sweep: the path of the sweep whose points they are.
        points: what `analysis.rank_points` says of them.
        seeds: the new seeds, which each point is run with.
        definition: the follow-up sweep's.
    """

    sweep: str
    points: pd.DataFrame
    seeds: list[int]
    definition: dict[str, Any]

    def __str__(self) -> str:
        """Return its points, a line each, and its seeds."""
        metric = self.definition["metric"]["name"]
        parts = self.definition["parameters"][POINT]["values"]
        means = zip(parts, self.points["mean"], self.points["runs"], strict=True)
        seeds = listed(map(str, self.seeds))
        return "\n".join(
            [
                f"{count(len(parts), 'point')} of {self.sweep}, each with the new seeds {seeds}:",
                *(
                    f"  {point_text(point, point)}: {metric} {value_text(mean)} in "
                    f"{count(int(runs), 'run')}"
                    for point, mean, runs in means
                ),
            ]
        )


def plan(path: str, top: int = 3, seeds: int = 5) -> FollowUp:
    """Define a follow-up sweep, without registering it.

    Args:
        path: the sweep, `entity/project/ID`.
        top: how many of its best points to take, by the mean over the seeds that they had.
        seeds: with how many new seeds to run each.

    Raises:
        WorkshopError: a number is less than 1; the sweep is a follow-up itself, has no metric,
            varies nothing, or has no finished run; or there is no such sweep.
    """
    for name, number in (("top", top), ("seeds", seeds)):
        if number < 1:
            raise WorkshopError(f"{name} must be at least 1, got {number}")
    runs = fetch_runs(path)
    definition = runs.attrs["definition"]
    if confirmed := _confirmed(definition):
        raise WorkshopError(
            f"sweep {path} is itself a follow-up of {confirmed}: confirm that one again, which "
            "takes other seeds"
        )
    metric = Metric.of(definition)
    if metric is None and (goals := Metric.goals_of(definition)):
        raise WorkshopError(
            f"sweep {path} has several goals ({listed(goal.name for goal in goals)}), so none of "
            "its points is the best: choose one of its Pareto front, and register a grid of it"
        )
    if metric is None:
        raise WorkshopError(f"sweep {path} names no metric, so none of its points is the best")
    varied = hyperparameters(definition)
    names = [name for name in varied if name != SEED]
    if nested := [name for name in names if "." in name]:
        raise WorkshopError(
            f"sweep {path} varies the nested parameter {nested[0]!r}, but a point to confirm must "
            "have plain ones: register the follow-up sweep by hand"
        )
    if not names:
        raise WorkshopError(
            f"sweep {path} varies nothing but seeds: give a sweep whose points differ"
        )
    points = rank_points(runs, metric.name, varied, metric.goal).head(top)
    if points.empty:
        raise WorkshopError(
            f"no run of sweep {path} has finished with a {metric.name} yet: run its agents first"
        )
    new = _unused(_used_seeds(path), seeds)
    return FollowUp(path, points, new, _definition(path, definition, points, names, new))


def confirm(path: str, top: int = 3, seeds: int = 5) -> str:
    """Register a follow-up sweep; see `plan`.

    Returns:
        The follow-up sweep's path, in the project of the sweep: what an agent anywhere needs.
    """
    return register(plan(path, top, seeds))


def register(follow_up: FollowUp) -> str:
    """Register what `plan` returned, and return its path."""
    return sweep.register(follow_up.definition, follow_up.sweep.split("/")[1])


def _definition(
    path: str,
    definition: Mapping[str, Any],
    points: pd.DataFrame,
    names: list[str],
    seeds: list[int],
) -> dict[str, Any]:
    """Return a grid of points and seeds, with everything else as it was."""
    kept = {section: definition[section] for section in KEPT if section in definition}
    # A target would end the sweep at the first run that reaches it.
    kept["metric"] = {key: kept["metric"][key] for key in kept["metric"] if key != "target"}
    fixed = {
        name: settings
        for name, settings in parameters(definition).items()
        if "value" in settings and name != SEED
    }
    values = [
        {name: value for name, value in point.items() if value == value}  # not NaN
        for point in points[names].to_dict("records")
    ]
    return kept | {
        "name": f"Best of {path.rsplit('/', 1)[-1]} with new seeds",
        "description": f"{MARK}{path}",
        "method": "grid",
        "parameters": fixed | {POINT: {"values": values}, SEED: {"values": seeds}},
    }


def _used_seeds(path: str) -> set[int]:
    """Return the seeds that a sweep and its earlier follow-ups have, or are going to have."""
    used = {resolve().seed}  # of a program that does not log it
    for related in (path, *_follow_ups(path)):
        settings = (sweep.get(related).config.get("parameters") or {}).get(SEED, {})
        used.update(settings.get("values", [settings.get("value")]))
        used.update(run.config.get(SEED) for run in sweep.runs(related))
    return {int(seed) for seed in used if isinstance(seed, int | float)}


def _follow_ups(path: str) -> list[str]:
    """Return the paths of the sweeps that confirm a sweep."""
    import wandb

    entity, project, _ = path.split("/")
    sweeps = wandb.Api().project(project, entity).sweeps()
    return ["/".join(found.path) for found in sweeps if _confirmed(found.config) == path]


def _confirmed(definition: Mapping[str, Any]) -> str | None:
    """Return the path of the sweep that a sweep is a follow-up of, None if of none."""
    description = definition.get("description") or ""
    return description.removeprefix(MARK) if description.startswith(MARK) else None


def _unused(used: set[int], count: int) -> list[int]:
    """Return the smallest seeds that are not among those used."""
    free = (seed for seed in itertools.count() if seed not in used)
    return list(itertools.islice(free, count))
