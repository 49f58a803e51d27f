"""The circuit breaker: many failures in a row cancel what is left of an array.

One bad node, one full disk or one wrong line fails every run that is given to it.  W&B's agents
stop after several failures, but an agent for one run sees only that one.
"""

from collections.abc import Mapping

from workshop.run_agents.slurm import commands, journal
from workshop.run_agents.slurm.accounting import SlurmStart, starts


def failures_in_a_row(job_id: str, known: Mapping[int, SlurmStart]) -> int:
    """Return how many of the tasks that ended last have failed, up to the newest success.

    A task has failed if it says so, or if its script has ended by anything but 0.  One whose
    script was killed has left no exit status, and has failed unless SLURM says that it runs or
    waits.  What was put back into the queue, cancelled, driven out, or cut off from its server
    says nothing about the program, the node or the disk.

    Args:
        job_id: the array.
        known: the newest start of each of its tasks that SLURM knows.
    """
    outcomes = []
    for task in journal.tasks(job_id):
        started, slurm = journal.read(job_id, task).starts, known.get(task)
        if not started or started[-1].requeued or _is_outage(started[-1]):
            continue
        if slurm and slurm.state in ("CANCELLED", "PREEMPTED"):
            continue
        last = started[-1]
        if last.failed or last.status is not None or not slurm or slurm.ended:
            succeeded = last.status == 0 and not last.failed
            outcomes.append((last.failed or last.ended or last.began, succeeded))
    failed = 0
    for _, succeeded in sorted(outcomes, reverse=True):
        if succeeded:
            break
        failed += 1
    return failed


def trip(job_id: str, limit: int) -> str | None:
    """Cancel the tasks of an array that have not started, if too many in a row have failed.

    Args:
        job_id: the array.
        limit: the number of failures in a row that is too many; 0 means never.

    Returns:
        What was done, as a sentence; None if nothing was.

    Raises:
        WorkshopError: SLURM does not answer.
    """
    # The notes are read first: SLURM's controller need not be asked when all goes well.
    if not limit or failures_in_a_row(job_id, {}) < limit:
        return None
    newest = {task: known[-1] for task, known in starts(job_id).items()}
    waiting = [task for task, start in newest.items() if start.state == "PENDING"]
    failed = failures_in_a_row(job_id, newest)
    if failed < limit or not waiting:
        return None
    reason = (
        f"{failed} tasks in a row have failed, so the {len(waiting)} that had not started were "
        "cancelled; `workshop status` says why they failed, `workshop repair` goes on"
    )
    (journal.folder(job_id) / "cancelled").write_text(reason + "\n")
    commands.run(["scancel", "--state=PENDING", job_id])
    return reason


def _is_outage(start: journal.Start) -> bool:
    """Say whether the server was away, and no run is known to have failed for another reason."""
    return start.outage and "failed" not in {state for state, _ in start.runs.values()}
