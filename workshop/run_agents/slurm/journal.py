"""What lies in the folder of an array: the record of its submission, and the notes of its tasks.

    logs/JOB/array.json     what was submitted
    logs/JOB/TASK.out       a task's output
    logs/JOB/TASK/notes     what happened in it, a line each
    logs/JOB/TASK/wandb/    what its agent was given, and the client's copy of its runs
    logs/JOB/cancelled      why the circuit breaker cancelled what was left
    logs/JOB/slurm.json     what SLURM has said of its tasks, for when it has forgotten them

A note is `TIME<tab>WORD<tab>TEXT`.  The batch script writes `start` (text: the node), `sweep`,
`log`, `warned`, `idle`, `requeue` and `end` (the exit status); the module `task` adds `asked`
(why it was warned: `preemption` or `time`), `away` and `back` (the server is silent, and answers
again), `run` (the run, its state and its last step), `surplus` (the state of a sweep without work)
and `failed`.

A file that is empty, torn or not there tells nothing: the cluster's disk was full, or somebody has
tidied up.  It is no error, so that what is left can be read.
"""

import json
import math
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workshop.paths import home


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
    """One start of a task, as its notes tell; a task that was requeued has several.

    Attributes:
        began: seconds since 1970.
        node: where.
        warned: whether SLURM asked it to leave.
        preempted: whether it did so because another job takes its place; None if nobody knows.
        idle: whether its agent got no run.
        away: whether it waits for a server that is silent, or has given up waiting for it.
        outage: whether the server was silent at some time.
        failed: when it said that it has failed, before its script ends; None if it did not.
        requeued: whether it put itself back into the queue.
        surplus: the state of the sweep, if that had no work left for it.
        runs: state and last step of each run that it was given, by run; empty if the script was
            killed before it could ask.
        ended: seconds since 1970; None if the script was killed, or still runs.
        status: the script's exit status.
    """

    began: float
    node: str
    warned: bool = False
    preempted: bool | None = None
    idle: bool = False
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
    """What the notes of one task tell.

    Attributes:
        sweep: the sweep it works on, `entity/project/ID`.
        log: the file with its output, `""` if it has not started.
        starts: the first one first.
    """

    sweep: str = ""
    log: str = ""
    starts: list[Start] = field(default_factory=list)


def logs() -> Path:
    """Return the folder of all arrays' folders."""
    return home() / "logs"


def folder(job_id: str) -> Path:
    """Return the folder of an array."""
    return logs() / job_id


def record(job_id: str, **facts: Any) -> None:
    """Write down what was submitted."""
    (folder(job_id) / "array.json").write_text(json.dumps(facts, indent=1) + "\n")


def recorded(job_id: str) -> dict[str, Any]:
    """Return what was submitted; empty for an array that was submitted by hand."""
    return mapping(folder(job_id) / "array.json")


def mapping(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one if it holds none."""
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


def tasks(job_id: str) -> list[int]:
    """Return the tasks of an array that have started."""
    places = (file.parent for file in folder(job_id).glob("*/notes"))
    return [int(name) for name in _numbered(places)]


def write(place: Path, word: str, text: str = "") -> None:
    """Add a note to those in a task's folder."""
    with (place / "notes").open("a") as file:
        file.write(f"{int(time.time())}\t{word}\t{text}\n")


def read(job_id: str, task: int) -> TaskNotes:
    """Return what the notes of a task tell."""
    found = TaskNotes()
    for line in _text(folder(job_id) / str(task) / "notes").splitlines():
        with suppress(ValueError, IndexError):  # a torn line, or one whose start was lost
            at, word, text = line.split("\t")
            _take(found, float(at), word, text)
    return found


def _take(found: TaskNotes, at: float, word: str, text: str) -> None:
    """Add what one note tells."""
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
    """Return the runs that the agents in a task's folder were given, the newest last.

    An agent writes the values of every run into a file named after the run.
    """
    files = (place / "wandb" / f"sweep-{sweep_path.rsplit('/', 1)[-1]}").glob("config-*.yaml")
    found = [Given(file.stem.removeprefix("config-"), file.stat().st_mtime, file) for file in files]
    return sorted(found, key=lambda one: one.at)


def given_to_newest_start(place: Path, sweep_path: str) -> list[Given]:
    """Return those of the runs in a task's folder that its newest start was given."""
    # By the clock of the file system, like the times of the runs.
    started = place / "started"
    began = started.stat().st_mtime if started.exists() else math.inf
    return [one for one in given(place, sweep_path) if one.at >= began]


def has_begun(place: Path, one: Given) -> bool:
    """Say whether the program that was given a run has reached `wandb.init`.

    The client makes a folder then, beside the one with the values.
    """
    # A disk may keep times in whole seconds.
    folders = (place / "wandb").glob(f"*run-*-{one.run}")
    return any(folder.stat().st_mtime >= one.at - 1 for folder in folders)


def holder(run: str, sweep_path: str) -> Path | None:
    """Return the folder of the task that was given a run last, among the tasks of all arrays."""
    sweep_id = sweep_path.rsplit("/", 1)[-1]
    files = logs().glob(f"[0-9]*/[0-9]*/wandb/sweep-{sweep_id}/config-{run}.yaml")
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    return newest.parents[2] if newest else None


def cancellation(job_id: str) -> str:
    """Return why the circuit breaker cancelled what was left of an array; empty if it did not."""
    return _text(folder(job_id) / "cancelled").strip()


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _numbered(places: Iterable[Path]) -> list[str]:
    """Return the names of those places that are numbers, the lowest first."""
    return sorted((place.name for place in places if place.name.isdecimal()), key=int)
