"""The starts of array tasks according to SLURM: from accounting, else from its controller.

A controller forgets an ended job after some minutes (`MinJobAge`), and accounting may be purged.
So every answer is cached in the array's folder, as the fallback for what SLURM has forgotten.
"""

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from workshop import files
from workshop.errors import WorkshopError
from workshop.run_agents.slurm import commands, journal
from workshop.run_agents.slurm.site import array_environment

# States that SLURM calls terminal (squeue's manual page); UNKNOWN is ours, REQUEUED accounting's.
_TERMINAL = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "REQUEUED", "TIMEOUT", "UNKNOWN",
}  # fmt: skip


@dataclass(frozen=True)
class SlurmStart:
    """One start of an array task, or a waiting task, according to SLURM.

    Attributes:
        task: its number in the array.
        state: `PENDING`, `RUNNING`, `COMPLETED`, `FAILED`, `TIMEOUT`, ... in SLURM's words, or
            `UNKNOWN` if SLURM has forgotten it, or it was cancelled before it started.
        exit_code: `exit status:signal`, as SLURM writes it.
        reason: why it waits or has failed, in SLURM's words.
        node: the node that it runs or ran on.
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
    """Return the starts of each task of an array, from SLURM or else from the cache.

    Accounting has them all.  Without it, a start is known only if somebody asked while it ran, or
    soon after its end.  The newest one is `UNKNOWN` if SLURM has forgotten how it ended.
    """
    before = remembered(job_id)
    found = _asked(job_id, before)
    now = found | {task: _forgotten(before[task]) for task in before.keys() - found.keys()}
    if now != before:
        _remember(job_id, now)
    return now


def remembered(job_id: str) -> Starts:
    """Return the cached starts of an array's tasks, which may be out of date."""
    found: Starts = {}
    with suppress(ValueError, TypeError, AttributeError):  # written by another version
        for task, known in journal.mapping(journal.folder(job_id) / "slurm.json").items():
            found[int(task)] = [SlurmStart(int(task), **one) for one in known]
    return found


def _remember(job_id: str, known: Starts) -> None:
    """Write the cache; a full disk or a deleted folder is ignored."""
    file = journal.folder(job_id) / "slurm.json"
    texts = {
        task: [
            {name: value for name, value in dataclasses.asdict(one).items() if name != "task"}
            for one in starts
        ]
        for task, starts in sorted(known.items())
    }
    with suppress(OSError):
        files.write(file, json.dumps(texts) + "\n")


def _forgotten(known: list[SlurmStart]) -> list[SlurmStart]:
    """Return cached starts, with the last state unknown where the start had not ended."""
    return [
        one if one.ended else dataclasses.replace(one, state="UNKNOWN", exit_code="", reason="")
        for one in known
    ]


def _asked(job_id: str, before: Mapping[int, list[SlurmStart]]) -> Starts:
    """Ask SLURM for the starts of each task, given those that are already known."""
    found: defaultdict[int, list[SlurmStart]] = defaultdict(list)
    environment = array_environment(job_id)
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
            # Accounting lags behind the controller, which knows all waiting and running tasks.
            if start.ended:
                found[task].append(start)
    for record in commands.queued(job_id, environment):
        for task in commands.numbers(record.get("ArrayTaskId", "")):
            state = record["JobState"]
            # For waiting and running tasks, the controller gives expected times.
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
    """Return how many more runs the tasks of a sweep's arrays will take.

    These are waiting tasks, and running ones that have not been given all their runs yet.  The
    number is infinite if one of them takes all runs, and 0 if SLURM does not answer.
    """
    runs = 0.0
    try:
        for job in journal.arrays(sweep_path):
            each = journal.recorded(job).get("runs_per_task", 1)
            for record in commands.queued(job, array_environment(job)):
                state = record["JobState"]
                if state in _TERMINAL or state == "COMPLETING":
                    continue
                for task in commands.numbers(record.get("ArrayTaskId", "")):
                    taken = 0
                    if state != "PENDING":
                        place = journal.folder(job) / str(task)
                        taken = len(journal.given_to_newest_start(place, sweep_path))
                    runs += math.inf if each == "all" else max(each - taken, 0)
    except WorkshopError:
        return 0
    return runs


def _tasks(job: str) -> list[int]:
    """Return the task numbers of `17_3` or `17_[3-8%2]`."""
    return commands.numbers(job.partition("_")[2].strip("[]"))


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() else None
