"""Repair a sweep: find the points that are missing, and retry exactly those.

A point is missing if its run failed or disappeared, or if it was never handed out.  That follows
from the sweep's configuration and its runs.
"""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

from sweepserver import search
from workshop import files
from workshop.define import search_space
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import shown
from workshop.run_agents import gpus
from workshop.run_agents.local import run_processes
from workshop.run_agents.slurm import journal
from workshop.run_agents.slurm.array import ArrayJob, submit
from workshop.run_agents.slurm.report import kinds
from workshop.run_agents.slurm.requeue import hand_back, is_silent_since
from workshop.run_agents.slurm.submission import between_claims, plan, split
from workshop.run_agents.slurm.task_ledger import holders, ledger
from workshop.wording import count

_LIVE = ("pending", "running", "preempting")

_STATES_BY_TASK: dict[tuple[str | None, str], str] = {
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
    """Return the state of a run, corrected by what is known about its array task.

    The server knows only a run's heartbeat.  A run that was killed is still `running` for some
    minutes, and one that a network outage cut off is `crashed`.

    Args:
        state: the run's state on the server.
        task: whether the last task that was given the run `works` on it, has `left` it, or
            `waits` to be started again and will then hand the run back to the sweep; None if
            there is no such task.
    """
    return _STATES_BY_TASK.get((task, state), state)


class SweepRun(NamedTuple):
    """A run of a sweep.

    Attributes:
        id: its ID.
        state: its state.
        values: the hyperparameters that the sweep gave it.
        reached: its value of the sweep's metric, if the sweep has a target.
        left: when its array task left it, in seconds since 1970; None if unknown.
    """

    id: str
    state: str
    values: dict[str, Any]
    reached: float | None = None
    left: float | None = None


@dataclass(frozen=True)
class Gaps:
    """What a sweep has done and what is missing.

    A point that several runs were given counts once: as done if one of them finished, else as
    live if one of them is, else as failed.

    Attributes:
        expected: the number of points in the sweep; None if it never ends.
        done: the number of points with a finished run.
        live: the number of points with a run that is running or waits to continue.
        failed: the newest run of each point that has failed and that nobody works on any more.
        missing: the number of points that no run was given.
        points: the points that are missing, if the sweep is a grid.
        duplicated: the runs of each point that was given to more than one run, by its values.
        interrupted: the runs that the sweep will hand out again by itself.
        others: the runs whose values aren't a point of the sweep's grid: prior runs, and runs
            from before its configuration was changed.
        left_out: failed runs that won't be retried, because of their causes.
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
        """Return a line per kind of point, and a line per point or run that needs work."""
        of_all = (
            "done of a sweep that never ends"
            if self.expected is None
            else f"of {count(self.expected, 'point')} done"
        )
        lines = [f"{self.done} {of_all}, {self.live} in progress"]
        lines.append(f"{self.missing} missing: never handed out")
        lines += [f"  {_worded(point)}" for point in self.points]
        lines.append(f"{len(self.failed)} failed: to be retried")
        lines += [f"  {_worded(run.values)}: run {run.id} {run.state}" for run in self.failed]
        if self.left_out:
            lines.append(f"{len(self.left_out)} failed for another cause: not to be retried")
            lines += [f"  {_worded(run.values)}: run {run.id}" for run in self.left_out]
        if self.interrupted:
            lines.append(f"{len(self.interrupted)} interrupted: handed out again by the sweep")
            lines += [f"  {_worded(run.values)}: run {run.id}" for run in self.interrupted]
        if self.others:
            lines.append(f"{count(len(self.others), 'other run')}: values not from this sweep")
            lines += [f"  {_worded(run.values)}: run {run.id} {run.state}" for run in self.others]
        lines.append(f"{len(self.duplicated)} duplicated: given to more than one run")
        lines += [
            f"  {point}: runs {', '.join(f'{run.id} {run.state}' for run in runs)}"
            for point, runs in self.duplicated.items()
        ]
        return "\n".join(lines)


def account(config: dict[str, Any], runs: Sequence[SweepRun]) -> Gaps:
    """Compare the points of a sweep with its runs.

    Values are compared as W&B's search does: 3 and 3.0 are equal.  Runs that early termination
    stopped count as done.

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
            _worded(_of_sweep(tried[0].values, config)): tried
            for tried in by_point.values()
            if grid and len(tried) > 1
        },
        interrupted=interrupted,
        others=others,
    )


def _of_sweep(values: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values.get(name) for name in sorted(config["parameters"])}


def _worded(values: Mapping[str, Any], prefix: str = "") -> str:
    """Return values as text: `learning_rate 0.1, optimizer.name adam`."""
    return ", ".join(
        _worded(value, f"{prefix}{name}.")
        if isinstance(value, Mapping)
        else f"{prefix}{name} {value}"
        for name, value in values.items()
    )


def gaps(sweep_path: str, only: Collection[str] = ()) -> Gaps:
    """Return what a sweep has done and what is missing; printing it is a dry run of `repair`.

    Args:
        sweep_path: `entity/project/ID`.
        only: retry only failed runs with these kinds of causes (`cause.KINDS`); empty means all.

    Raises:
        WorkshopError: there is no such sweep or cause, or its server does not answer.
    """
    split(sweep_path)
    only = kinds(only)
    config = registration.get(sweep_path).config
    varied = search_space.parameters(config)
    # Tasks are read before runs: a run that ends in between then counts as done, not as abandoned.
    tasks = holders(sweep_path)
    found = list(registration.runs(sweep_path))
    reached = registration.reached_values(sweep_path, config, found)
    runs = []
    for run in found:
        state, task = run.state, tasks.get(run.id)
        # A process outside SLURM may have been given the run after its task.
        if task and (task.state != "left" or (task.left and is_silent_since(run, task.left))):
            state = state_by_task(state, task.state)
        values = {name: run.config[name] for name in varied if name in run.config}
        runs.append(SweepRun(run.id, state, values, reached.get(run.id), task and task.left))
    accounted = account(config, runs)
    return _limited(accounted, sweep_path, only) if only else accounted


def _limited(found: Gaps, sweep_path: str, only: Collection[str]) -> Gaps:
    """Leave out the failed runs whose causes are not of the given kinds."""
    tasks = ledger(sweep_path)
    kind = {(task, run): kind for task, run, kind in tasks[["task", "run", "kind"]].to_numpy()}

    def is_asked_for(run: SweepRun) -> bool:
        # If several tasks had the run, the last of them knows how it ended.
        if place := journal.holder(run.id, sweep_path):
            return kind.get((f"{place.parent.name}_{place.name}", run.id)) in only
        return any(of == run.id and why in only for (_, of), why in kind.items())

    chosen = [run for run in found.failed if is_asked_for(run)]
    others = [run for run in found.failed if run not in chosen]
    return dataclasses.replace(found, failed=chosen, left_out=others)


def repair(
    sweep_path: str,
    patience: float = 60,
    show: Callable[[str], object] = print,
    only: Collection[str] = (),
    **options: Any,
) -> ArrayJob | None:
    """Submit an array that completes a sweep, with a task for each missing run.

    Failed runs are requeued with the sweep, which hands them out again under their own IDs.
    Points that were never handed out follow by themselves.  So no point is run twice.  Runs that
    a task works on, or waits for, are left alone.  Repairs of one sweep hold a lock, so a second
    one waits for the first.

    Args:
        sweep_path: `entity/project/ID`.
        patience: as for `submit`.
        show: is given lines about each step.
        only: as for `gaps`.  Points that were never handed out are run in any case, because the
            sweep decides which of its points an agent gets.
        options: `at_once`, `site` and options of `sbatch`, as for `plan`.

    Returns:
        The array, or the newest one there is if enough tasks are already waiting; None if nothing
        is missing.

    Raises:
        WorkshopError: the sweep is paused or canceled, or as `plan` and `submit` say.  Nothing is
            in the queue then.
    """
    split(sweep_path)
    with _alone(sweep_path, show):
        work = _find_work(sweep_path, only, show)
        if not work:
            return None
        if not work.left:
            work.give()
            return _newest_array(sweep_path)
        submission = plan(sweep_path, tasks=work.left, **options)
        return submit(submission, patience, show, prepare=work.give)


def _newest_array(sweep_path: str) -> ArrayJob | None:
    jobs = journal.arrays(sweep_path)
    return ArrayJob(jobs[-1], journal.recorded(jobs[-1]).get("tasks", 0)) if jobs else None


def repair_here(
    sweep_path: str,
    at_once: int | None = None,
    show: Callable[[str], object] = print,
    only: Collection[str] = (),
    one_per_gpu: bool = False,
) -> list[Path]:
    """Complete a sweep with agent processes on this machine, as `repair` does with an array.

    Args:
        sweep_path: `entity/project/ID`.
        at_once: how many agents run at once; by default as for `run_processes`.
        show: is given lines about each step.
        only: as for `gaps`.
        one_per_gpu: give each agent a GPU to itself, as `run_processes` does.

    Returns:
        The agents' log files; empty if nothing is missing, or array tasks will do it.

    Raises:
        WorkshopError: the sweep is paused or canceled, or as `run_processes` says.
    """
    split(sweep_path)
    at_once = len(gpus.slots(at_once, one_per_gpu))
    with _alone(sweep_path, show):
        work = _find_work(sweep_path, only, show)
        if not work:
            return []
        work.give()
    if not work.left:
        return []
    return run_processes(sweep_path, min(at_once, work.left), at_once, one_per_gpu=one_per_gpu)


class _Work(NamedTuple):
    """The work that a repair has to do.

    Attributes:
        left: the number of runs that have no array task yet.
        give: requeues the failed runs with the sweep, which gives them to its next agents.
    """

    left: int
    give: Callable[[], None]


def _find_work(
    sweep_path: str, only: Collection[str], show: Callable[[str], object]
) -> _Work | None:
    """Return the work that is left for a sweep; None if there is nothing to do."""
    found, taken = between_claims(sweep_path, lambda: gaps(sweep_path, only))
    show(str(found))
    work = found.missing + len(found.failed) + len(found.interrupted)
    if not work:
        show("nothing to repair")
        return None
    runs = count(work, "run")
    if work <= taken and not found.failed:
        show(f"tasks for {runs} are already waiting")
        return _Work(0, lambda: None)
    state = registration.get(sweep_path).state.lower()
    if state in ("paused", "canceled"):
        raise WorkshopError(
            f"sweep {sweep_path} is {state}, so its agents would get no runs: resume it with "
            f"`wandb sweep --resume {quote(sweep_path)}`, then repair it"
        )

    def give_work() -> None:
        for run in found.failed:
            if not hand_back(sweep_path, run.id, run.left):
                show(f"run {run.id} is left alone: another agent or repair has it by now")
        if state == "finished":  # resumed with nothing to hand out, it would finish again at once
            registration.resume(sweep_path)
        if work <= taken:
            show(f"tasks for {runs} are already waiting, and will retry the failed ones")

    return _Work(0 if work <= taken else work - int(taken), give_work)


@contextmanager
def _alone(sweep_path: str, show: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock that lets only one repair of a sweep run at a time; a kill releases it.

    Raises:
        WorkshopError: the log folder cannot be written.
    """
    file = journal.logs() / f"repair-{split(sweep_path)[-1]}.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = files.lock(
            file,
            on_wait=lambda: show("another repair of this sweep is running: waiting for it to end"),
        )
    except OSError as error:
        raise WorkshopError(
            f"nothing was repaired, because {shown(file)} cannot be written ({error.strerror}): "
            "set WORKSHOP_HOME to a folder that you can write to"
        ) from None
    with lock:
        yield
