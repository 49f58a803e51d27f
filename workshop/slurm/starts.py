"""What SLURM knows about the starts of array tasks: by accounting, else by its controller."""

import math
from collections import defaultdict
from dataclasses import dataclass

from workshop.errors import WorkshopError
from workshop.slurm import commands, notes

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


def starts(job_id: str) -> dict[int, list[SlurmStart]]:
    """Return the starts of each task of an array, the newest last.

    Accounting remembers them all; without it, the newest is known until SLURM forgets it.
    """
    found: dict[int, list[SlurmStart]] = defaultdict(list)
    if commands.has_accounting():
        for record in commands.accounted(job_id):
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
    for record in commands.queued(job_id):
        for task in commands.numbers(record.get("ArrayTaskId", "")):
            waits = record["JobState"] == "PENDING"
            current = SlurmStart(
                task,
                record["JobState"],
                record["ExitCode"],
                record["Reason"],
                record.get("NodeList", ""),
                None if waits else _seconds(record["StartTime"]),
                None if waits else _seconds(record["EndTime"]),
            )
            found[task][int(record["Restarts"]) :] = [current]
    return dict(found)


def claimed(sweep_path: str) -> float:
    """Return how many runs the tasks of a sweep's arrays will take that have not started yet.

    It is infinite if one of them takes all that there are, and 0 where SLURM does not answer.
    """
    runs = 0.0
    try:
        for job in notes.arrays(sweep_path):
            each = notes.recorded(job).get("runs_per_task", 1)
            for record in commands.queued(job):
                if record["JobState"] == "PENDING":
                    tasks = len(commands.numbers(record.get("ArrayTaskId", "")))
                    runs += math.inf if each == "all" else tasks * each
    except WorkshopError:
        return 0
    return runs


def _tasks(job: str) -> list[int]:
    """Return the task numbers of `17_3` or `17_[3-8%2]`."""
    return commands.numbers(job.partition("_")[2].strip("[]"))


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() else None
