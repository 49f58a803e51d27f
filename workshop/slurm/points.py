"""What a sweep has done and what is missing: arithmetic on its configuration and its runs."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from workshop.sweep import combinations, grid

_LIVE = ("pending", "running", "preempting")


class SweepRun(NamedTuple):
    """A run of a sweep: its ID, its state, and the values that it was given."""

    id: str
    state: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Gaps:
    """What a sweep has done and what is missing.

    A point that several runs were given counts once: as done if one of them finished, else as
    being worked on, else as failed.

    Attributes:
        expected: the points that the sweep consists of; None if it has no end.
        done: the number of points with a finished run.
        live: the number of points that a run works on, or waits to go on with.
        failed: the newest run of each point that has failed and is nobody's work any more.
        missing: the number of points that no run was given.
        points: the points that are missing, if the sweep is a grid.
        duplicated: the runs of each point that more than one run was given, by its values.
        interrupted: the runs that the sweep will hand out once more by itself.
    """

    expected: int | None
    done: int
    live: int
    missing: int
    failed: list[SweepRun] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    duplicated: dict[str, list[SweepRun]] = field(default_factory=dict)
    interrupted: list[SweepRun] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the account, a line per kind, and a line per point or run that needs work."""
        of_all = "of a sweep without end" if self.expected is None else f"of {self.expected} points"
        lines = [f"{self.done} {of_all} are done, {self.live} are being worked on"]
        lines.append(f"{self.missing} missing: no run was given them")
        lines += [f"  {describe(point)}" for point in self.points]
        lines.append(f"{len(self.failed)} failed: to be repeated")
        lines += [f"  {describe(run.values)}: run {run.id} {run.state}" for run in self.failed]
        if self.interrupted:
            lines.append(f"{len(self.interrupted)} interrupted: handed out again by the sweep")
            lines += [f"  {describe(run.values)}: run {run.id}" for run in self.interrupted]
        lines.append(f"{len(self.duplicated)} duplicated: several runs were given the same point")
        lines += [
            f"  {point}: runs {', '.join(f'{run.id} {run.state}' for run in runs)}"
            for point, runs in self.duplicated.items()
        ]
        return "\n".join(lines)


def account(config: Mapping, runs: Sequence[SweepRun], dead: Iterable[str] = ()) -> Gaps:
    """Compare what a sweep consists of with its runs.

    Values are equal as W&B's search takes them: 3 and 3.0 are the same.  Runs that an early
    termination stopped are done: they were judged.

    Args:
        config: the sweep's configuration.
        runs: its runs, the oldest first.
        dead: IDs of runs that the server believes alive, although their process has ended.
    """
    dead = set(dead)
    done_states = {"finished"} | ({"killed"} if "early_terminate" in config else set())
    axes = grid(config) if config["method"] == "grid" else None
    names = list(axes) if axes else None
    by_point: dict[object, list[SweepRun]] = defaultdict(list)
    for run in runs:
        by_point[_key(run.values, names) if names else run.id].append(run)
    done = live = 0
    failed, interrupted = [], []
    for tried in by_point.values():
        states = [run.state for run in tried]
        if done_states.intersection(states):
            done += 1
        elif any(run.state in _LIVE and run.id not in dead for run in tried):
            live += 1
        elif "preempted" in states:
            interrupted.append(next(run for run in tried if run.state == "preempted"))
        else:
            failed.append(tried[-1])
    expected = combinations(config)
    allowed = None if expected is None else max(0, config.get("run_cap", expected) - len(runs))
    points = []
    if axes:
        everything = (dict(zip(axes, values, strict=True)) for values in _product(axes))
        points = [point for point in everything if _key(point, names) not in by_point]
        points = points[: allowed if "run_cap" in config else None]
    missing = len(points) if axes else allowed or 0
    duplicated = {
        describe({name: tried[0].values.get(name) for name in names}): tried
        for tried in by_point.values()
        if names and len(tried) > 1
    }
    return Gaps(expected, done, live, missing, failed, points, duplicated, interrupted)


def describe(values: Mapping[str, Any]) -> str:
    """Return values as a reader sees them: `learning_rate 0.1, optimizer adam`."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _product(axes: Mapping[str, list]) -> Iterable[tuple]:
    """Return the points of a grid, each once even if a value is listed twice."""
    distinct = [{_same(value): value for value in values}.values() for values in axes.values()]
    return itertools.product(*distinct)


def _key(values: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(_same(values.get(name)) for name in names)


def _same(value: Any) -> str:
    """Return a text that is equal for values that a sweep takes as equal."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)
