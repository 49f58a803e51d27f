"""Failures that hit a task, not its program, caused on the rehearsal cluster.

The run with the learning rate of a failure pauses in its second epoch
(`workshop.failure_lab.program`).  Then the failure is triggered, and the array continues.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.run_agents import rehearsal, slurm

STANDS_STILL = "epoch 2 takes very long"
"""What the program prints when it pauses."""
STILL_S = 600
"""The longest pause in seconds, if nothing is triggered."""
PREEMPT_S = 5


@dataclass(frozen=True)
class Lever:
    """A way to trigger a failure of a task whose run pauses.

    Attributes:
        pull: is called with the task, `ARRAY_TASK`, and the name of its node.
        partition: the partition that the task must run in.
    """

    pull: Callable[[str, str], object]
    partition: str = "main"


def _crash(task: str, node: str) -> None:
    rehearsal.crash(node)
    rehearsal.boot(node)


def _preempt(task: str, node: str) -> None:
    rehearsal.preempt(node, seconds=PREEMPT_S)


def _end_time(task: str, node: str) -> None:
    rehearsal.expire(task)  # without a warning: else the task would requeue itself


LEVERS = {
    "node_crash": Lever(_crash),
    "preemption": Lever(_preempt, partition="low"),
    "out_of_time": Lever(_end_time),
}
"""The failures that are triggered on the cluster."""


def check() -> None:
    """Check that there can be a rehearsal cluster.

    Raises:
        WorkshopError: there can't.
    """
    if not (found := slurm.available(slurm.REHEARSAL)).site:
        raise WorkshopError(f"this failure needs the rehearsal cluster: {found}")


def run(path: str, failure: str) -> list[Path]:
    """Run a sweep as an array in which the failure happens, and wait for its end.

    Returns:
        The tasks' log files.

    Raises:
        WorkshopError: the array cannot be submitted, or all tasks ended before it happened.
    """
    lever = LEVERS[failure]
    job = slurm.submit(slurm.plan(path, site=slurm.REHEARSAL, partition=lever.partition))
    task, node = _standing(job)
    print(f"task {task} on {node} is in its second epoch")
    lever.pull(task, node)
    slurm.wait(job)
    return [job.log(number) for number in range(1, job.tasks + 1)]


def _standing(job: slurm.ArrayJob) -> tuple[str, str]:
    """Poll until a task's run pauses; return the task and its node."""
    while True:
        states = job.states()
        for state in states:
            log = job.log(state.task)
            if state.state == "RUNNING" and log.exists() and STANDS_STILL in log.read_text():
                return f"{job.job_id}_{state.task}", state.node
        if all(state.ended for state in states):
            raise WorkshopError(
                f"the failure could not be triggered in {job}, because all its tasks have ended by "
                "themselves: see their logs"
            )
        time.sleep(1)
