"""The ledger: what became of each task of a sweep's arrays, and of the run that it was given."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.server.search import Scale, hyperparameters
from workshop.slurm import notes
from workshop.slurm.cause import Facts, cause
from workshop.slurm.starts import SlurmStart, starts

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "task", "run", "configuration", "slurm", "exit_code", "run_state", "starts", "kind", "cause",
    "log",
)  # fmt: skip

LIVE = ("running", "waiting")
"""Kinds of causes after which something still comes."""

_LOG_BYTES = 1 << 18  # of a log's end; what a program fails with is its last words


@dataclass(frozen=True)
class _Task:
    """A task, and what is known about it beside the server's runs."""

    name: str  # 17_3
    slurm: Sequence[SlurmStart]
    notes: notes.TaskNotes
    given: Sequence[notes.Given]
    log: Path
    cancellation: str


def ledger(sweep_path: str) -> "pd.DataFrame":
    """Return a row per array task of a sweep; a task that took several runs has one for each.

    What SLURM knows (`sacct`, or `scontrol` on a cluster without accounting), what the server
    knows about the runs, and what the tasks have noted in their folders are joined.  If SLURM
    does not answer, the rest is there, and `attrs["problem"]` says so.

    Args:
        sweep_path: `entity/project/ID`.

    Returns:
        Columns `task` (`JOB_TASK`, as SLURM writes it), `run` (ID), `configuration` (what the
        sweep varies), `slurm` (state), `exit_code` (`status:signal`), `run_state`, `starts`
        (how often the task was started), `kind` (one of `workshop.slurm.cause.KINDS`), `cause`
        (the same with details) and `log` (file).  Empty if no array was submitted for the sweep.

    Raises:
        WorkshopError: there is no such sweep, or its server does not answer.
    """
    return _look(sweep_path)[0]


def _look(sweep_path: str) -> "tuple[pd.DataFrame, list[_Task]]":
    """Return the ledger of a sweep, and what is known about each of its tasks."""
    import pandas as pd

    from workshop.analysis import fetch_runs
    from workshop.sweep import get

    varied = hyperparameters(get(sweep_path).config)
    jobs: set[str] = set()
    found = set(notes.arrays(sweep_path))
    while True:
        # SLURM is asked first: a run that ended after its state was read, and before its task's
        # was, would look as if nobody had ended it.
        jobs |= found
        tasks, problem = _join(sweep_path, jobs)
        runs = fetch_runs(sweep_path).set_index("run")
        by_task = runs["array_task"].dropna()
        found = {name.split("_")[0] for name in by_task} - jobs
        if not found:
            break
    newest = {
        one.run: task.name
        for task, one in sorted(
            ((task, one) for task in tasks for one in task.given), key=lambda pair: pair[1].at
        )
    }
    rows = []
    for task in tasks:
        values = {one.run: one.file for one in task.given}
        others = [run for run, name in by_task.items() if name == task.name and run not in newest]
        held = [run for run in values if newest[run] == task.name] + others
        for run in held or list(values)[-1:] or [None]:
            state = runs["state"].get(run, "deleted") if run else ""
            if run in values:
                configuration = _values(values[run])
            else:
                configuration = dict(runs.loc[run]) if run else {}
            rows.append(_row(task, run, state, _label(configuration, varied), newest))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame.attrs["problem"] = problem
    return frame, tasks


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

    frame, tasks = _look(sweep_path)
    kinds = frame.groupby("task")["kind"].first()
    rows = []
    for task in tasks:
        held = _held(task)
        for number, (node, began, ended, failed_node) in enumerate(held, start=1):
            if number == len(held):
                kind = kinds[task.name]
                # How the last start ended, not what became of the earlier ones.
                if len(held) > 1 and kind in ("preempted and resumed", "node failure"):
                    kind = "finished"
            else:
                kind = "node failure" if failed_node else "preempted and resumed"
            rows.append((task.name, number, node, began, ended, kind))
    return pd.DataFrame(rows, columns=["task", "start", "node", "began", "ended", "kind"])


def _held(task: _Task) -> list[tuple[str, float, float, bool]]:
    """Return node, begin, end and whether the node failed, for each start of a task."""
    known = [start for start in task.slurm if start.began]
    if known:
        return [
            (one.node, one.began, one.over or time.time(), one.state == "NODE_FAIL")
            for one in known
        ]
    return [
        (start.node, start.began, start.ended, False) for start in task.notes.starts if start.ended
    ]


def _join(sweep_path: str, jobs: set[str]) -> tuple[list[_Task], str]:
    """Return the tasks of some arrays of a sweep, and why SLURM does not answer, if so."""
    tasks: list[_Task] = []
    problem = ""
    for job in sorted(jobs, key=int):
        try:
            known = starts(job)
        except WorkshopError as error:
            known, problem = {}, str(error)
        tasks += _tasks(job, sweep_path, known)
    return tasks, problem


def describe(frame: "pd.DataFrame") -> str:
    """Return a ledger as text for a terminal, with a line that counts the causes."""
    if frame.empty:
        return "no array was submitted for this sweep: `workshop submit` does it"
    columns = ["task", "run", "configuration", "slurm", "exit_code", "run_state", "log", "cause"]
    # Left-aligned, so that a long cause at the end does not push the others aside.
    texts = frame[columns].fillna("").rename(columns=lambda name: name.replace("_", " "))
    widths = {name: max(len(name), int(texts[name].str.len().max())) for name in texts}
    lines = ["  ".join(name.ljust(width) for name, width in widths.items()).rstrip()]
    for row in texts.to_dict("records"):
        lines.append("  ".join(row[name].ljust(width) for name, width in widths.items()).rstrip())
    counts = Counter(frame["kind"])
    lines.append(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    if problem := frame.attrs.get("problem"):
        lines.append(f"without what SLURM knows: {problem}")
    return "\n".join(lines)


def _tasks(job: str, sweep_path: str, known: Mapping[int, Sequence[SlurmStart]]) -> list[_Task]:
    """Return the tasks of an array: those that were submitted, started, or that SLURM knows."""
    folder = notes.folder(job)
    submitted = range(1, notes.recorded(job).get("tasks", 0) + 1)
    cancellation = notes.cancellation(job)
    found = []
    for task in sorted({*submitted, *notes.tasks(job), *known}):
        noted = notes.read(job, task)
        found.append(
            _Task(
                f"{job}_{task}",
                known.get(task, ()),
                noted,
                notes.given(folder / str(task), sweep_path),
                Path(noted.log) if noted.log else folder / f"{task}.out",
                cancellation,
            )
        )
    return found


def _row(
    task: _Task, run: str | None, state: str, configuration: str, newest: Mapping[str, str]
) -> dict[str, Any]:
    last = task.slurm[-1] if task.slurm else None
    holder = newest.get(run, task.name) if run else task.name
    found = cause(
        Facts(
            slurm=task.slurm,
            starts=task.notes.starts,
            run_state=state,
            has_run=run is not None,
            moved_to="" if holder == task.name else holder,
            log=_part(_end(task.log), run),
            cancellation=task.cancellation,
        )
    )
    return {
        "task": task.name,
        "run": run,
        "configuration": configuration,
        "slurm": last.state if last else "UNKNOWN",
        "exit_code": last.exit_code if last else "",
        "run_state": state,
        "starts": max(len(task.notes.starts), len([one for one in task.slurm if one.began])),
        "kind": found.kind,
        "cause": str(found),
        "log": shown(task.log),
    }


def _end(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_BYTES))
        return file.read().decode(errors="replace")


def _part(log: str, run: str | None) -> str:
    """Return the part of a task's log that belongs to one run: from its newest start on."""
    parts = log.split("About to run command: ")  # the agent's words before it starts a run
    return next((part for part in reversed(parts) if run and f"runs/{run}" in part), parts[-1])


def _values(file: Path) -> dict[str, Any]:
    """Return what an agent was given for a run."""
    import yaml

    return {
        name: entry["value"]
        for name, entry in yaml.safe_load(file.read_text()).items()
        if isinstance(entry, dict)
    }


def _label(values: Mapping[str, Any], varied: Mapping[str, Scale]) -> str:
    return ", ".join(
        f"{name} {scale.text(values[name])}" for name, scale in varied.items() if name in values
    )
