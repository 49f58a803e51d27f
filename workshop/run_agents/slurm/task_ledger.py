"""The ledger: how each task of a sweep's arrays ended, with the run that it was given."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sweepserver.search import Scale
from sweepserver.search.values import lookup
from workshop.define.search_space import columns, scales
from workshop.errors import WorkshopError
from workshop.files import read_mapping
from workshop.paths import shown
from workshop.run_agents.slurm import journal
from workshop.run_agents.slurm.accounting import SlurmStart, Starts, remembered, starts
from workshop.run_agents.slurm.cause import Facts, cause

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "task", "run", "configuration", "slurm", "exit_code", "run_state", "starts", "kind", "cause",
    "log",
)  # fmt: skip

LIVE = ("running", "waiting")
"""Kinds of causes of tasks that haven't ended."""


class Holder(NamedTuple):
    """The last task that a run was given to.

    Attributes:
        state: whether it waits to be started again, works on the run, or has left it.
        left: when it left the run, in seconds since 1970; None if unknown.
    """

    state: Literal["waits", "works", "left"]
    left: float | None = None


@dataclass(frozen=True)
class _Task:
    """A task, and what SLURM and its journal know about it."""

    name: str  # 17_3
    slurm: Sequence[SlurmStart]
    slurm_is_silent: bool
    notes: journal.TaskNotes
    given: Sequence[journal.Given]
    folder: Path
    log: Path
    cancellation: str

    def newest(self, run: str | None) -> journal.Given | None:
        """Return the newest handout of a run to this task; None if it never got that run."""
        return next((one for one in reversed(self.given) if one.run == run), None)

    def followed(self, run: str | None) -> float | None:
        """Return when this task was given another run after this one; None if it wasn't."""
        own = self.newest(run)
        return next((one.at for one in self.given if own and one.at > own.at), None)

    def as_holder(self, run: str) -> Holder:
        """Return this task's state as the last holder of a run."""
        if followed := self.followed(run):
            return Holder("left", followed)
        last = self.slurm[-1] if self.slurm else None
        noted = self.notes.starts[-1].ended if self.notes.starts else None
        if last and last.state == "PENDING":
            return Holder("waits")
        if self.slurm_is_silent:
            is_over = noted is not None or (last and last.ended)
        else:
            is_over = last is None or last.ended
        return Holder("left", (last and last.over) or noted) if is_over else Holder("works")


@dataclass(frozen=True)
class _Look:
    """What is known about a sweep's arrays at one moment.

    Attributes:
        tasks: all tasks of its arrays.
        runs: the sweep's runs, as `fetch_runs` returns them, by ID.
        holders: the last task that each run was given to, by run.
        varied: the parameters that the sweep varies.
        columns: their columns in `runs`.
        problem: why SLURM does not answer; empty if it does.
    """

    tasks: Sequence[_Task]
    runs: "pd.DataFrame"
    holders: Mapping[str, _Task]
    varied: Mapping[str, Scale]
    columns: Mapping[str, str]
    problem: str

    def state(self, run: str | None) -> str:
        """Return the state of a run on the server; empty if there is no run."""
        return str(self.runs["state"].get(run, "deleted")) if run else ""


def ledger(sweep_path: str) -> "pd.DataFrame":
    """Return a row per array task of a sweep; a task that took several runs has one for each.

    It joins three sources: SLURM (`sacct`, a file of completed jobs, or `scontrol`), the server's
    runs, and the tasks' journals.  If SLURM does not answer, the fallback is what is known without
    it, and `attrs["problem"]` says so.

    Args:
        sweep_path: `entity/project/ID`.

    Returns:
        Columns `task` (`JOB_TASK`, as SLURM writes it), `run` (ID), `configuration` (what the
        sweep varies), `slurm` (state), `exit_code` (`status:signal`), `run_state`, `starts`
        (how often the task was started), `kind` (one of `cause.KINDS`), `cause`
        (the same with details) and `log` (file).  Empty if no array was submitted for the sweep.

    Raises:
        WorkshopError: there is no such sweep, or its server does not answer.
    """
    return _frame(_look(sweep_path))


def holders(sweep_path: str) -> dict[str, Holder]:
    """Return the last array task that each run of a sweep was given to, by the run's ID.

    Raises:
        WorkshopError: there is no such sweep, or its server does not answer.
    """
    return {run: task.as_holder(run) for run, task in _look(sweep_path).holders.items()}


def _look(sweep_path: str) -> _Look:
    from workshop.initialize.registration import get
    from workshop.initialize.run_tables import fetch_runs

    definition = get(sweep_path).config
    varied = scales(definition)
    jobs: set[str] = set()
    found = set(journal.arrays(sweep_path))
    while True:
        # SLURM is asked before the server.  The other way round, a run that ends in between would
        # look as if its task had abandoned it.
        jobs |= found
        tasks, problem = _join(sweep_path, jobs)
        runs = fetch_runs(sweep_path).set_index("run")
        # If a task's folder was deleted, only its run still names the task.
        named = {
            run: name
            for run, name in runs["array_task"].items()
            if isinstance(name, str) and re.fullmatch(r"\d+_\d+", name)
        }
        found = {name.split("_")[0] for name in named.values()} - jobs
        if not found:
            break
    by_name = {task.name: task for task in tasks}
    gone = sorted(set(named.values()) - by_name.keys(), key=_numbers)
    for name in gone:
        job, number = name.split("_")
        by_name[name] = _task(job, number, sweep_path, (), bool(problem))
    given = [(one.at, one.run, task) for task in tasks for one in task.given]
    newest = {run: task for _, run, task in sorted(given, key=lambda each: each[0])}
    return _Look(
        sorted(by_name.values(), key=lambda task: _numbers(task.name)),
        runs,
        {run: by_name[name] for run, name in named.items()} | newest,
        varied,
        columns(varied, definition),
        problem,
    )


def _frame(look: _Look) -> "pd.DataFrame":
    """Return a ledger with a row for each task and run that was given to it last."""
    import pandas as pd

    rows = []
    for task in look.tasks:
        given = [one.run for one in task.given]
        held = [run for run in given if look.holders[run] is task]
        held += [run for run, holder in look.holders.items() if holder is task and run not in given]
        rows += [_row(look, task, run) for run in (held or given[-1:])]
        if not given and not held:
            rows.append(_row(look, task, None))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame.attrs["problem"] = look.problem
    return frame


def occupancy(sweep_path: str) -> "pd.DataFrame":
    """Return a row per start of each array task of a sweep, for a timeline.

    Args:
        sweep_path: `entity/project/ID`.

    Returns:
        Columns `task`, `start` (counted from 1), `node`, `began` and `ended` (seconds since
        1970; now for a task that runs) and `kind`: how the start ended, as in `ledger`.

    Raises:
        WorkshopError: there is no such sweep, or its server does not answer.
    """
    import pandas as pd

    look = _look(sweep_path)
    # A task with several runs is live if one of them is; otherwise the first one counts.
    kinds = (
        _frame(look)
        .groupby("task")["kind"]
        .agg(lambda kinds: next((kind for kind in kinds if kind in LIVE), kinds.iloc[0]))
    )
    rows = []
    for task in look.tasks:
        held = _held(task)
        for number, (node, began, ended, failed_node) in enumerate(held, start=1):
            if number == len(held):
                kind = kinds[task.name]
                # The kind of cause describes the task; this row is about its last start alone.
                if len(held) > 1 and kind in ("preempted and resumed", "node failure"):
                    kind = "finished"
            else:
                kind = "node failure" if failed_node else "preempted and resumed"
            rows.append((task.name, number, node, began, ended, kind))
    return pd.DataFrame(rows, columns=["task", "start", "node", "began", "ended", "kind"])


def _held(task: _Task) -> list[tuple[str, float, float, bool]]:
    """Return node, begin, end and whether the node failed, for each start of a task."""
    noted = task.notes.starts[-1].ended if task.notes.starts else None
    known = []
    for start in task.slurm:
        if start.began:
            # If SLURM has forgotten the end, only the task's journal has it.
            end = start.over or ((noted or start.began) if start.ended else time.time())
            known.append((start.node, start.began, end, start.state == "NODE_FAIL"))
    return known or [
        (start.node, start.began, start.ended, False) for start in task.notes.starts if start.ended
    ]


def _join(sweep_path: str, jobs: Iterable[str]) -> tuple[list[_Task], str]:
    """Return the tasks of a sweep's arrays, and why SLURM does not answer, if it doesn't."""
    tasks: list[_Task] = []
    problem = ""
    for job in sorted(jobs, key=int):
        silent = False
        try:
            known = starts(job)
        except WorkshopError as error:
            known, problem, silent = remembered(job), str(error), True
        tasks += _tasks(job, sweep_path, known, silent)
    return tasks, problem


def _tasks(job: str, sweep_path: str, known: Starts, silent: bool) -> list[_Task]:
    """Return an array's tasks: those that were submitted, that started, or that SLURM knows."""
    count = journal.recorded(job).get("tasks")
    submitted = range(1, count + 1) if isinstance(count, int) else ()
    return [
        _task(job, str(task), sweep_path, known.get(task, ()), silent)
        for task in sorted({*submitted, *journal.tasks(job), *known})
    ]


def _task(job: str, task: str, sweep_path: str, known: Sequence[SlurmStart], silent: bool) -> _Task:
    folder = journal.folder(job) / task
    noted = journal.read(job, int(task))
    return _Task(
        f"{job}_{task}",
        known,
        silent,
        noted,
        journal.given(folder, sweep_path),
        folder,
        Path(noted.log) if noted.log else folder.with_suffix(".out"),
        journal.cancellation(job),
    )


def _row(look: _Look, task: _Task, run: str | None) -> dict[str, Any]:
    """Return the row of a task and a run that it was given (None if it got no run)."""
    last = task.slurm[-1] if task.slurm else None
    given = task.newest(run)
    values = given and _values(given.file)
    if not values and run in look.runs.index:
        stored = look.runs.loc[run]
        values = {name: stored[column] for name, column in look.columns.items()}
    found = cause(_facts(look, task, run))
    return {
        "task": task.name,
        "run": run,
        "configuration": _label(values or {}, look.varied),
        "slurm": last.state if last else "UNKNOWN",
        "exit_code": last.exit_code if last else "",
        "run_state": look.state(run),
        "starts": max(len(task.notes.starts), len([one for one in task.slurm if one.began])),
        "kind": found.kind,
        "cause": str(found),
        "log": shown(task.log),
    }


def _facts(look: _Look, task: _Task, run: str | None) -> Facts:
    holder = look.holders[run] if run else task
    state, has_begun = look.state(run), True
    if holder is not task:
        noted = [start.runs[run][0] for start in task.notes.starts if run in start.runs]
        state = noted[-1] if noted else ""
    if given := task.newest(run):
        has_logged = holder is task and bool(look.runs["seconds"].notna().get(run, False))
        has_begun = has_logged or journal.has_begun(task.folder, given)
    return Facts(
        slurm=task.slurm,
        starts=task.notes.starts,
        run_state=state,
        has_run=run is not None,
        moved_to="" if holder is task else holder.name,
        log=_part(journal.end_of_log(task.log), run),
        cancellation=task.cancellation,
        slurm_is_silent=task.slurm_is_silent,
        has_begun=has_begun,
        is_past=task.followed(run) is not None,
        stopped_early=holder is task and bool(look.runs["stopped_early"].get(run, False)),
    )


def _part(log: str, run: str | None) -> str:
    """Return the part of a task's log that belongs to one run: from its newest start on."""
    whole, *parts = log.split("About to run command: ")  # the agent's words before it starts a run
    names = re.compile(rf"runs/{run}|Running runs: .*'{run}'|finished run: {run}")
    part = next((part for part in reversed(parts) if run and names.search(part)), None)
    part = part or (parts[-1] if parts else None)
    return whole if part is None else part.partition("\n")[2]  # without the command


def _values(file: Path) -> dict[str, Any]:
    """Return the values that an agent was given for a run; empty if their file is damaged."""
    try:
        entries = read_mapping(file)
    except WorkshopError:
        return {}
    return {
        name: entry["value"]
        for name, entry in entries.items()
        if isinstance(entry, dict) and "value" in entry
    }


def _label(values: Mapping[str, Any], varied: Mapping[str, Scale]) -> str:
    missing = object()
    found = {name: lookup(values, name, missing) for name in varied}
    return ", ".join(
        f"{name} {varied[name].text(value)}"
        for name, value in found.items()
        if value is not missing
    )


def _numbers(task: str) -> list[int]:
    """Return the numbers in the name of a task, 17 and 3 in `17_3`."""
    return [int(number) for number in task.split("_")]
