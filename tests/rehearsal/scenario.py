"""What a learner does on the rehearsal cluster, as one program that prints what came out.

    python -m tests.rehearsal.scenario

Three arrays: of one, a task is driven out by a job of higher priority; one meets a node that
crashes; one runs out of time, and is repaired.
"""

import json
import time
from collections.abc import Callable

from tests.rehearsal.trial import FAILS, FINISHES, STANDS_STILL, register
from tests.waiting import wait_for
from workshop.connection import backend, local_server
from workshop.run_agents import rehearsal, slurm
from workshop.run_agents.rehearsal import programs

said: list[str] = []


def say(line: str) -> None:
    """Keep what the kit says."""
    said.append(line)


def submit(*rates: float, **options: str) -> tuple[str, slurm.ArrayJob]:
    """Register a sweep, and submit an array for it."""
    path = register(*rates)
    return path, slurm.submit(slurm.plan(path, site="rehearsal", **options), show=say)


def standing(job: slurm.ArrayJob) -> list[int]:
    """Return the tasks of an array whose trial stands still."""
    logs = {task: job.log(task) for task in range(1, job.tasks + 1)}
    return [
        task for task, log in logs.items() if log.exists() and "stands still" in log.read_text()
    ]


def table(path: str) -> list[dict]:
    """Return a sweep's ledger as rows."""
    columns = ["configuration", "slurm", "exit_code", "run_state", "starts", "kind", "cause"]
    return slurm.ledger(path)[columns].to_dict("records")


def main() -> dict:
    """Play it, and return what came out."""
    backend.connect("local")
    began = time.monotonic()
    preempted, driven_out = submit(FINISHES, FAILS, STANDS_STILL, partition="low", nodelist="node1")
    cut_off, crashing = submit(0.6, nodelist="node2")
    late, timed_out = submit(0.7, nodelist="node2")

    def wait(condition: Callable[[], object], what: str) -> None:
        wait_for(condition, lambda: (what, rehearsal.command("squeue"), said))

    wait(lambda: standing(timed_out), "a trial stands still that is to run out of time")
    rehearsal.expire(timed_out.job_id, show=say)
    wait(lambda: standing(driven_out), "a trial stands still that is to be preempted")
    rehearsal.preempt(seconds=2, show=say)
    wait(lambda: timed_out.states()[0].ended, "time is up")
    rehearsal.crash("node2", show=say)
    rehearsal.boot("node2", show=say)
    wait(
        lambda: all(state.ended for job in (driven_out, crashing) for state in job.states()),
        "both arrays have ended",
    )
    before = {"preempted": preempted, "cut off": cut_off, "late": late}
    tables = {name: table(path) for name, path in before.items()}
    repaired = slurm.repair(late, site="rehearsal", show=say)
    assert repaired, said
    wait(lambda: all(state.ended for state in repaired.states()), "the repair has ended")
    tables["repaired"] = table(late)
    done = slurm.gaps(late).done
    rehearsal.stop(show=say)
    tables["afterwards"] = table(late)
    local_server.stop()
    return {
        "tables": tables, "said": said, "done": done, "seconds": time.monotonic() - began,
        "programs": str(programs.find()),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main()))
