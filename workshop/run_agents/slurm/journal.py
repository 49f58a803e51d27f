"""The journal of an array: a folder with its submission record and its tasks' notes.

    logs/JOB/array.json     what was submitted
    logs/JOB/TASK.out       a task's output
    logs/JOB/TASK/notes     what happened in it, a line each
    logs/JOB/TASK/wandb/    what its agent was given, and the client's copy of its runs
    logs/JOB/cancelled      why the circuit breaker cancelled what was left
    logs/JOB/slurm.json     a cache of what SLURM said about its tasks, which SLURM forgets

A note is `TIME<tab>WORD<tab>TEXT`.  The batch script writes `start` (text: the node), `sweep`,
`log`, `warned`, `idle`, `requeue` and `end` (the exit status); the module `task` adds `asked`
(why it was warned: `preemption` or `time`), `gave-up` (the words with which its agent gave up after
too many failures), `away` and `back` (the server is silent, and answers
again), `run` (the run, its state and its last step), `surplus` (the state of a sweep without work)
and `failed`.

A file that is empty, damaged or missing counts as empty: the cluster's disk was full, or somebody
has tidied up.  It isn't an error, so that the rest can be read.
"""

import json
import math
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workshop import files
from workshop.paths import home

_LOG_BYTES = 1 << 18  # how much of a log is read, from its end; the error comes last


@dataclass(frozen=True)
class Given:
    """A run that a task's agent was given.

    Attributes:
        run: its ID.
        at: when, by the clock of the file system, in seconds since 1970.
        file: the YAML file with its values.
    """

    run: str
    at: float
    file: Path


@dataclass
class Start:
    """One start of a task, from its notes; a task that was requeued has several.

    Attributes:
        began: seconds since 1970.
        node: the node that it ran on.
        warned: whether SLURM warned it that it would be stopped.
        preempted: whether it was warned because of another job; None if unknown.
        idle: whether its agent got no run.
        gave_up: the agent's own words, if it gave up after too many failures; "" if it didn't.
        away: whether it is waiting for a server that doesn't answer, or has given up on it.
        outage: whether the server didn't answer at some time.
        failed: when it recorded its failure, before its script ended; None if it didn't.
        requeued: whether it put itself back into the queue.
        surplus: the sweep's state, if the sweep had no work left for it.
        runs: state and last step of each run that it was given, by run; empty if the script was
            killed before it could ask.
        ended: seconds since 1970; None if the script was killed, or is still running.
        status: the script's exit status.
    """

    began: float
    node: str
    warned: bool = False
    preempted: bool | None = None
    idle: bool = False
    gave_up: str = ""
    away: bool = False
    outage: bool = False
    failed: float | None = None
    requeued: bool = False
    surplus: str = ""
    runs: dict[str, tuple[str, int]] = field(default_factory=dict)
    ended: float | None = None
    status: int | None = None


@dataclass
class TaskNotes:
    """The notes of one task.

    Attributes:
        sweep: the sweep it works on, `entity/project/ID`.
        log: its log file, `""` if it has not started.
        starts: its starts, the first one first.
    """

    sweep: str = ""
    log: str = ""
    starts: list[Start] = field(default_factory=list)


def logs() -> Path:
    """Return the folder that contains the arrays' folders."""
    return home() / "logs"


def folder(job_id: str) -> Path:
    """Return the folder of an array."""
    return logs() / job_id


def record(job_id: str, **facts: Any) -> None:
    """Write the submission record of an array."""
    files.write(folder(job_id) / "array.json", json.dumps(facts, indent=1) + "\n")


def recorded(job_id: str) -> dict[str, Any]:
    """Return the submission record of an array; empty if it was submitted by hand."""
    return mapping(folder(job_id) / "array.json")


def mapping(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one if the file has none."""
    try:
        found = json.loads(_text(file))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def arrays(sweep_path: str) -> list[str]:
    """Return the arrays that were submitted for a sweep, the oldest first."""
    found = []
    for job in _numbered(logs().glob("*")):
        sweep = recorded(job).get("sweep") or next(
            (read(job, task).sweep for task in tasks(job)), ""
        )
        if sweep == sweep_path:
            found.append(job)
    return found


def newest_sweep() -> str:
    """Return the sweep of the array that was submitted last; empty if none was."""
    # By time, because each cluster counts its jobs by itself.
    records = logs().glob("*/array.json")
    newest = max(records, key=lambda file: file.stat().st_mtime, default=None)
    return mapping(newest).get("sweep", "") if newest else ""


def tasks(job_id: str) -> list[int]:
    """Return the tasks of an array that have started."""
    places = (file.parent for file in folder(job_id).glob("*/notes"))
    return [int(name) for name in _numbered(places)]


def write(place: Path, word: str, text: str = "") -> None:
    """Append a note to a task's journal."""
    with (place / "notes").open("a") as file:
        file.write(f"{int(time.time())}\t{word}\t{text}\n")


def read(job_id: str, task: int) -> TaskNotes:
    """Read the notes of a task."""
    found = TaskNotes()
    for line in _text(folder(job_id) / str(task) / "notes").splitlines():
        with suppress(ValueError, IndexError):  # a damaged line, or one whose start was lost
            at, word, text = line.split("\t")
            _take(found, float(at), word, text)
    return found


def _take(found: TaskNotes, at: float, word: str, text: str) -> None:
    """Apply one note."""
    match word:
        case "start":
            found.starts.append(Start(at, text))
        case "sweep":
            found.sweep = text
        case "log":
            found.log = text
        case "warned" | "idle":
            setattr(found.starts[-1], word, True)
        case "asked":
            found.starts[-1].preempted = text == "preemption"
        case "gave-up":
            found.starts[-1].gave_up = text
        case "failed":
            found.starts[-1].failed = at
        case "away":
            last = found.starts[-1]
            last.away = last.outage = True
        case "back":
            found.starts[-1].away = False
        case "requeue":
            found.starts[-1].requeued = True
        case "surplus":
            found.starts[-1].surplus = text
        case "run":
            run, state, step = text.split()
            found.starts[-1].runs[run] = (state, int(step))
        case "end":
            last = found.starts[-1]
            last.ended, last.status = at, int(text)


def given(place: Path, sweep_path: str) -> list[Given]:
    """Return the runs that a task's agents were given, the newest last.

    An agent writes the values of every run into a file named after the run.
    """
    files = (place / "wandb" / f"sweep-{sweep_path.rsplit('/', 1)[-1]}").glob("config-*.yaml")
    found = [Given(file.stem.removeprefix("config-"), file.stat().st_mtime, file) for file in files]
    return sorted(found, key=lambda one: one.at)


def given_to_newest_start(place: Path, sweep_path: str) -> list[Given]:
    """Return the runs that a task's newest start was given."""
    # By the clock of the file system, like the times of the runs.
    started = place / "started"
    began = started.stat().st_mtime if started.exists() else math.inf
    return [one for one in given(place, sweep_path) if one.at >= began]


def end_of_log(log: Path) -> str:
    """Return the end of a task's output, in which it and its programs say why they failed."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def has_begun(place: Path, one: Given) -> bool:
    """Return whether the program that was given a run has reached `wandb.init`.

    The client then creates a folder next to the one with the values.
    """
    # A disk may keep times in whole seconds.
    folders = (place / "wandb").glob(f"*run-*-{one.run}")
    return any(folder.stat().st_mtime >= one.at - 1 for folder in folders)


def holder(run: str, sweep_path: str) -> Path | None:
    """Return the folder of the last task that was given a run, among the tasks of all arrays."""
    sweep_id = sweep_path.rsplit("/", 1)[-1]
    files = logs().glob(f"[0-9]*/[0-9]*/wandb/sweep-{sweep_id}/config-{run}.yaml")
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    return newest.parents[2] if newest else None


def cancellation(job_id: str) -> str:
    """Return why the circuit breaker cancelled the rest of an array; empty if it did not."""
    return _text(folder(job_id) / "cancelled").strip()


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _numbered(places: Iterable[Path]) -> list[str]:
    """Return the names of those places that are numbers, the lowest first."""
    return sorted((place.name for place in places if place.name.isdecimal()), key=int)
