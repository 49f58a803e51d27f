"""What a sweep has done and what is missing: arithmetic on its configuration and its runs."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sweepserver import search

_LIVE = ("pending", "running", "preempting")

_STATES = {
    ("works", "crashed"): "running",
    ("works", "preempted"): "running",  # its task is about to put itself back into the queue
    ("left", "pending"): "crashed",
    ("left", "running"): "crashed",
    ("left", "preempting"): "crashed",
    ("waits", "pending"): "preempted",
    ("waits", "running"): "preempted",
    ("waits", "crashed"): "preempted",
}


def state_by_task(state: str, task: str | None) -> str:
    """Return the state of a run, of which its array task knows more than the server.

    The server hears a process, or does not: one that was killed is running for some minutes, and
    one that an outage has cut off is crashed.

    Args:
        state: what the server says.
        task: whether the task that the run was given to last `works` on it, has `left` it, or
            `waits` to be started again, when it will hand the run back to the sweep; None if
            there is none.
    """
    return _STATES.get((task, state), state)


class SweepRun(NamedTuple):
    """A run of a sweep.

    Attributes:
        id: its ID.
        state: its state.
        values: what the sweep gave it.
        reached: its value of the sweep's metric, where the sweep has a target.
        left: when its array task left it, in seconds since 1970; None if nobody knows.
    """

    id: str
    state: str
    values: Mapping[str, Any]
    reached: float | None = None
    left: float | None = None


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
        others: the runs whose values are no point of the sweep's grid: prior runs, and those from
            before its configuration was changed.
        left_out: failed runs that are not to be repeated, since their causes are others than those
            that were asked for.
    """

    expected: int | None
    done: int
    live: int
    missing: int
    failed: list[SweepRun] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    duplicated: dict[str, list[SweepRun]] = field(default_factory=dict)
    interrupted: list[SweepRun] = field(default_factory=list)
    others: list[SweepRun] = field(default_factory=list)
    left_out: list[SweepRun] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the account, a line per kind, and a line per point or run that needs work."""
        of_all = "of a sweep without end" if self.expected is None else f"of {self.expected} points"
        lines = [f"{self.done} {of_all} are done, {self.live} are being worked on"]
        lines.append(f"{self.missing} missing: no run was given them")
        lines += [f"  {describe(point)}" for point in self.points]
        lines.append(f"{len(self.failed)} failed: to be repeated")
        lines += [f"  {describe(run.values)}: run {run.id} {run.state}" for run in self.failed]
        if self.left_out:
            lines.append(f"{len(self.left_out)} failed otherwise: left out")
            lines += [f"  {describe(run.values)}: run {run.id}" for run in self.left_out]
        if self.interrupted:
            lines.append(f"{len(self.interrupted)} interrupted: handed out again by the sweep")
            lines += [f"  {describe(run.values)}: run {run.id}" for run in self.interrupted]
        if self.others:
            lines.append(f"{len(self.others)} others: their values are no point of the sweep")
            lines += [f"  {describe(run.values)}: run {run.id} {run.state}" for run in self.others]
        lines.append(f"{len(self.duplicated)} duplicated: several runs were given the same point")
        lines += [
            f"  {point}: runs {', '.join(f'{run.id} {run.state}' for run in runs)}"
            for point, runs in self.duplicated.items()
        ]
        return "\n".join(lines)


def account(config: dict[str, Any], runs: Sequence[SweepRun]) -> Gaps:
    """Compare what a sweep consists of with its runs.

    Values are equal as W&B's search takes them: 3 and 3.0 are the same.  Runs that an early
    termination stopped are done: they were judged.

    Args:
        config: the sweep's configuration.
        runs: its runs, the oldest first.
    """
    done_states = {"finished"} | ({"killed"} if "early_terminate" in config else set())
    grid = search.Grid(config) if config["method"] == "grid" else None
    by_point: dict[object, list[SweepRun]] = defaultdict(list)
    others = []
    for run in runs:
        if grid and run.values not in grid:
            others.append(run)
        else:
            by_point[grid.place(run.values) if grid else run.id].append(run)
    done = live = 0
    failed, interrupted = [], [run for run in others if run.state == "preempted"]
    for tried in by_point.values():
        states = [run.state for run in tried]
        if done_states.intersection(states):
            done += 1
        elif any(run.state in _LIVE for run in tried):
            live += 1
        elif "preempted" in states:
            interrupted.append(next(run for run in tried if run.state == "preempted"))
        else:
            failed.append(tried[-1])
    trials = [search.Trial(run.values, run.reached, run.state in _LIVE) for run in runs]
    missing = search.remaining_runs(config, trials) or 0
    return Gaps(
        expected=search.expected_runs(config),
        done=done,
        live=live,
        missing=missing,
        failed=failed,
        points=[*itertools.islice(grid.untried(trials), missing)] if grid else [],
        duplicated={
            describe(_of_sweep(tried[0].values, config)): tried
            for tried in by_point.values()
            if grid and len(tried) > 1
        },
        interrupted=interrupted,
        others=others,
    )


def _of_sweep(values: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values.get(name) for name in sorted(config["parameters"])}


def describe(values: Mapping[str, Any], prefix: str = "") -> str:
    """Return values as a reader sees them: `learning_rate 0.1, optimizer.name adam`."""
    return ", ".join(
        describe(value, f"{prefix}{name}.")
        if isinstance(value, Mapping)
        else f"{prefix}{name} {value}"
        for name, value in values.items()
    )
