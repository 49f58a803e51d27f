"""What lies in the folder of an array: the record of its submission, and the notes of its tasks.

    logs/JOB/array.json     what was submitted
    logs/JOB/TASK.out       a task's output
    logs/JOB/TASK/notes     what happened in it, a line each
    logs/JOB/TASK/wandb/    what its agent was given, and the client's copy of its runs
    logs/JOB/cancelled      why the circuit breaker cancelled what was left

A note is `TIME<tab>WORD<tab>TEXT`.  The batch script writes `start` (text: the node), `sweep`,
`log`, `warned`, `idle`, `requeue` and `end` (the exit status); `workshop.slurm.task` adds `run`
(the run, its state and its last step) and `surplus` (the state of a sweep without work).
"""

import json
import time
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
        warned: whether its time was up.
        idle: whether its agent got no run.
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
    idle: bool = False
    requeued: bool = False
    surplus: str = ""
    runs: dict[str, tuple[str, int]] = field(default_factory=dict)
    ended: float | None = None
    status: int | None = None


@dataclass(frozen=True)
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
    file = folder(job_id) / "array.json"
    return json.loads(file.read_text()) if file.exists() else {}


def arrays(sweep_path: str) -> list[str]:
    """Return the arrays that were submitted for a sweep, the oldest first."""
    found = []
    for place in logs().glob("[0-9]*"):
        sweep = recorded(place.name).get("sweep") or next(
            (read(place.name, task).sweep for task in tasks(place.name)), ""
        )
        if sweep == sweep_path:
            found.append(place.name)
    return sorted(found, key=int)


def tasks(job_id: str) -> list[int]:
    """Return the tasks of an array that have started."""
    return sorted(int(file.parent.name) for file in folder(job_id).glob("[0-9]*/notes"))


def write(place: Path, word: str, text: str = "") -> None:
    """Add a note to those in a task's folder."""
    with (place / "notes").open("a") as file:
        file.write(f"{int(time.time())}\t{word}\t{text}\n")


def read(job_id: str, task: int) -> TaskNotes:
    """Return what the notes of a task tell."""
    file = folder(job_id) / str(task) / "notes"
    lines = file.read_text().splitlines() if file.exists() else []
    sweep = log = ""
    starts: list[Start] = []
    for line in lines:
        at, word, text = line.split("\t")
        match word:
            case "start":
                starts.append(Start(float(at), text))
            case "sweep":
                sweep = text
            case "log":
                log = text
            case "warned" | "idle":
                setattr(starts[-1], word, True)
            case "requeue":
                starts[-1].requeued = True
            case "surplus":
                starts[-1].surplus = text
            case "run":
                run, state, step = text.split()
                starts[-1].runs[run] = (state, int(step))
            case "end":
                starts[-1].ended, starts[-1].status = float(at), int(text)
    return TaskNotes(sweep, log, starts)


def given(place: Path, sweep_path: str) -> list[Given]:
    """Return the runs that the agents in a task's folder were given, the newest last.

    An agent writes the values of every run into a file named after the run.
    """
    files = (place / "wandb" / f"sweep-{sweep_path.rsplit('/', 1)[-1]}").glob("config-*.yaml")
    found = [Given(file.stem.removeprefix("config-"), file.stat().st_mtime, file) for file in files]
    return sorted(found, key=lambda one: one.at)


def holder(run: str, sweep_path: str) -> Path | None:
    """Return the folder of the task that was given a run last, among the tasks of all arrays."""
    sweep_id = sweep_path.rsplit("/", 1)[-1]
    files = logs().glob(f"[0-9]*/[0-9]*/wandb/sweep-{sweep_id}/config-{run}.yaml")
    newest = max(files, key=lambda file: file.stat().st_mtime, default=None)
    return newest.parents[2] if newest else None


def cancellation(job_id: str) -> str:
    """Return why the circuit breaker cancelled what was left of an array; empty if it did not."""
    file = folder(job_id) / "cancelled"
    return file.read_text().strip() if file.exists() else ""
