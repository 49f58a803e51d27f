"""What SLURM knows about the starts of array tasks: by an account, else by its controller.

A controller forgets an ended job after some minutes (`MinJobAge`), and accounting may be purged.
So every answer is kept in the array's folder, and stands in for what SLURM has forgotten.
"""

import dataclasses
import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from workshop.errors import WorkshopError
from workshop.slurm import clusters, commands, notes

# States that SLURM calls terminal (squeue's manual page); UNKNOWN is ours, REQUEUED accounting's.
_TERMINAL = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "REQUEUED", "TIMEOUT", "UNKNOWN",
}  # fmt: skip


@dataclass(frozen=True)
class SlurmStart:
    """What SLURM knows about one start of an array task, or about a task that waits.

    Attributes:
        task: its number in the array.
        state: `PENDING`, `RUNNING`, `COMPLETED`, `FAILED`, `TIMEOUT`, ... in SLURM's words, or
            `UNKNOWN` if SLURM has forgotten it, or it was cancelled before it started.
        exit_code: `exit status:signal`, as SLURM writes it.
        reason: why it waits or has failed, in SLURM's words.
        node: where it runs or ran.
        began: seconds since 1970; None if it has not started.
        over: seconds since 1970; None if it has not ended.
    """

    task: int
    state: str
    exit_code: str = ""
    reason: str = ""
    node: str = ""
    began: float | None = None
    over: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to this start."""
        return self.state in _TERMINAL


Starts = dict[int, list[SlurmStart]]
"""The starts of each task of an array, the newest last."""


def starts(job_id: str) -> Starts:
    """Return the starts of each task of an array, as SLURM knows them or has once told.

    Accounting remembers them all; without it, each is known if somebody asked while it ran, or
    soon after its end.  The newest one is `UNKNOWN` if SLURM has forgotten how it ended.
    """
    before = remembered(job_id)
    found = _asked(job_id, before)
    now = found | {task: _forgotten(before[task]) for task in before.keys() - found.keys()}
    if now != before:
        _remember(job_id, now)
    return now


def remembered(job_id: str) -> Starts:
    """Return what SLURM said of an array's tasks when it was last asked; it may be out of date."""
    found: Starts = {}
    with suppress(ValueError, TypeError, AttributeError):  # what another version has written
        for task, known in notes.mapping(notes.folder(job_id) / "slurm.json").items():
            found[int(task)] = [SlurmStart(int(task), **one) for one in known]
    return found


def _remember(job_id: str, known: Starts) -> None:
    """Write down what is known; a disk that is full, or a folder that was deleted, is no matter."""
    file = notes.folder(job_id) / "slurm.json"
    unfinished = file.with_suffix(f".{os.getpid()}")
    texts = {
        task: [
            {name: value for name, value in dataclasses.asdict(one).items() if name != "task"}
            for one in starts
        ]
        for task, starts in sorted(known.items())
    }
    try:
        unfinished.write_text(json.dumps(texts) + "\n")
        unfinished.replace(file)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()


def _forgotten(known: list[SlurmStart]) -> list[SlurmStart]:
    """Return the starts of a task without what SLURM would say if it still knew the task."""
    return [
        one if one.ended else dataclasses.replace(one, state="UNKNOWN", exit_code="", reason="")
        for one in known
    ]


def _asked(job_id: str, before: Mapping[int, list[SlurmStart]]) -> Starts:
    """Ask SLURM for the starts of each task, of which the earlier ones may be known already."""
    found: defaultdict[int, list[SlurmStart]] = defaultdict(list)
    environment = clusters.environment_of(job_id)
    accounted = commands.accounted(job_id, environment)
    for record in accounted or ():
        for task in _tasks(record["JobID"]):
            start = SlurmStart(
                task,
                record["State"].split()[0],  # "CANCELLED by 1000"
                record["ExitCode"],
                record["Reason"],
                record["NodeList"],
                _seconds(record["Start"]),
                _seconds(record["End"]),
            )
            # Accounting lags behind the controller, which knows all that waits and runs.
            if start.ended:
                found[task].append(start)
    for record in commands.queued(job_id, environment):
        for task in commands.numbers(record.get("ArrayTaskId", "")):
            state = record["JobState"]
            # Of what waits and runs the controller tells the times that it expects.
            current = SlurmStart(
                task,
                state,
                record["ExitCode"],
                record["Reason"],
                record.get("NodeList", ""),
                None if state == "PENDING" else _seconds(record["StartTime"]),
                _seconds(record["EndTime"]) if state in _TERMINAL else None,
            )
            if accounted is None:
                found[task] = _forgotten(before.get(task, []))
            found[task][int(record["Restarts"]) :] = [current]
    return dict(found)


def claimed(sweep_path: str) -> float:
    """Return how many runs the tasks of a sweep's arrays will still take.

    Those are the tasks that wait, and those that run and have not been given all their runs yet.
    It is infinite if one of them takes all that there are, and 0 where SLURM does not answer.
    """
    runs = 0.0
    try:
        for job in notes.arrays(sweep_path):
            each = notes.recorded(job).get("runs_per_task", 1)
            for record in commands.queued(job, clusters.environment_of(job)):
                state = record["JobState"]
                if state in _TERMINAL or state == "COMPLETING":
                    continue
                for task in commands.numbers(record.get("ArrayTaskId", "")):
                    taken = 0
                    if state != "PENDING":
                        place = notes.folder(job) / str(task)
                        taken = len(notes.given_to_newest_start(place, sweep_path))
                    runs += math.inf if each == "all" else max(each - taken, 0)
    except WorkshopError:
        return 0
    return runs


def _tasks(job: str) -> list[int]:
    """Return the task numbers of `17_3` or `17_[3-8%2]`."""
    return commands.numbers(job.partition("_")[2].strip("[]"))


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() else None
