"""Confirm the best points of a sweep by replication with new seeds: was the winner just lucky?

The best of many runs combines a good point with a lucky seed.  Runs with new seeds share only the
point, so their mean is what the point can be expected to reach.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sweepserver.search.metric import Metric
from workshop.analyze.plots.style import point_text, value_text
from workshop.analyze.replicates import SEED, rank_points
from workshop.define.program import is_foreign, named
from workshop.define.search_space import hyperparameters, parameters
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.initialize.server_paths import path_of, split
from workshop.trainer.config import POINT, resolve
from workshop.wording import count, listed

MARK = "Confirms "
"""The start of a follow-up sweep's description, before the path of the sweep that it confirms."""

KEPT = ("program", "command", "metric")
"""The sections of a definition that a follow-up sweep keeps; `early_terminate` isn't one."""


@dataclass(frozen=True)
class FollowUp:
    """A sweep of the best points of another one, with new seeds.

    Attributes:
        sweep: the path of the sweep that the points are from.
        points: their rows from `analyze.rank_points`.
        seeds: the new seeds, for each point.
        definition: the follow-up sweep's definition.
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
        top: how many of its best points to take, by the mean over their seeds.
        seeds: how many new seeds to run each point with.

    Raises:
        WorkshopError: a number is less than 1; the sweep is itself a follow-up, has another program
            than the kit's, has no metric, varies nothing, or has no finished run; or there is no
            such sweep.
    """
    for name, number in (("top", top), ("seeds", seeds)):
        if number < 1:
            raise WorkshopError(f"{name} must be at least 1, got {number}")
    runs = fetch_runs(path)
    definition = runs.attrs["definition"]
    if confirmed := _confirmed(definition):
        raise WorkshopError(
            f"sweep {path} is itself a follow-up of {confirmed}: confirm that one again, which "
            "uses other seeds"
        )
    if is_foreign(definition):
        raise WorkshopError(
            f"sweep {path} starts {named(definition)}, which may not have the parameter {POINT} "
            "for a whole point: register a sweep of its best points and new seeds by hand"
        )
    metric = Metric.of(definition)
    if metric is None and (goals := Metric.goals_of(definition)):
        raise WorkshopError(
            f"sweep {path} has several goals ({listed(goal.name for goal in goals)}), so there is "
            "no best point: choose one from its Pareto front, and register a grid of it"
        )
    if metric is None:
        raise WorkshopError(
            f"sweep {path} has no metric, so there is no best point: give a sweep with a metric"
        )
    varied = hyperparameters(definition)
    names = [name for name in varied if name != SEED]
    if nested := [name for name in names if "." in name]:
        raise WorkshopError(
            f"sweep {path} varies the nested parameter {nested[0]!r}, which a point can't contain: "
            "register the follow-up sweep by hand"
        )
    if not names:
        raise WorkshopError(f"sweep {path} varies only seeds: give a sweep whose points differ")
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
        The follow-up sweep's path, in the same project, which every agent needs.
    """
    return register(plan(path, top, seeds))


def register(follow_up: FollowUp) -> str:
    """Register what `plan` returned, and return its path."""
    return registration.register(follow_up.definition, split(follow_up.sweep)[1])


def _definition(
    path: str,
    definition: Mapping[str, Any],
    points: pd.DataFrame,
    names: list[str],
    seeds: list[int],
) -> dict[str, Any]:
    """Return a grid of points and seeds, with everything else unchanged."""
    kept = {section: definition[section] for section in KEPT if section in definition}
    # A target would end the sweep at the first run that reaches it.
    kept["metric"] = {key: kept["metric"][key] for key in kept["metric"] if key != "target"}
    fixed = {
        name: settings
        for name, settings in parameters(definition).items()
        if name not in (*names, SEED)
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
    """Return the seeds that a sweep and its earlier follow-ups use."""
    used = {resolve().seed}  # for runs that didn't log it
    for related in (path, *_follow_ups(path)):
        settings = (registration.get(related).config.get("parameters") or {}).get(SEED, {})
        used.update(settings.get("values", [settings.get("value")]))
        used.update(run.config.get(SEED) for run in registration.runs(related))
    return {int(seed) for seed in used if isinstance(seed, int | float)}


def _follow_ups(path: str) -> list[str]:
    """Return the paths of the sweeps that confirm a sweep."""
    import wandb

    entity, project, _ = split(path)
    sweeps = wandb.Api().project(project, entity).sweeps()
    return [path_of(found) for found in sweeps if _confirmed(found.config) == path]


def _confirmed(definition: Mapping[str, Any]) -> str | None:
    """Return the path of the sweep that a sweep confirms; None if it isn't a follow-up."""
    description = definition.get("description") or ""
    return description.removeprefix(MARK) if description.startswith(MARK) else None


def _unused(used: set[int], count: int) -> list[int]:
    """Return the smallest unused seeds."""
    free = (seed for seed in itertools.count() if seed not in used)
    return list(itertools.islice(free, count))
