"""The circuit breaker: many failures in a row cancel what is left of an array.

One bad node, one full disk or one wrong line fails every run that is given to it.  W&B's agents
stop after several failures, but an agent for one run sees only that one.
"""

from workshop.slurm import commands, notes


def failures_in_a_row(job_id: str, running: set[int]) -> int:
    """Return how many of the tasks that started last have failed, up to the newest success.

    A task whose script was killed has left no exit status; it counts as failed unless SLURM
    says that it runs.

    Args:
        job_id: the array.
        running: its tasks that run or wait.
    """
    outcomes = []
    for task in notes.tasks(job_id):
        started = notes.read(job_id, task).starts
        if not started or (started[-1].status is None and task in running):
            continue
        last = started[-1]
        if not last.requeued:
            outcomes.append((last.ended or last.began, last.status == 0))
    failed = 0
    for _, succeeded in sorted(outcomes, reverse=True):
        if succeeded:
            break
        failed += 1
    return failed


def trip(job_id: str, task: int, limit: int) -> str | None:
    """Cancel the tasks of an array that have not started, if too many in a row have failed.

    Args:
        job_id: the array.
        task: the one that asks, because it has failed.
        limit: the number of failures in a row that is too many; 0 means never.

    Returns:
        What was done, as a sentence; None if nothing was.

    Raises:
        WorkshopError: SLURM does not answer.
    """
    # The notes are read first: SLURM's controller need not be asked when all goes well.
    if not limit or failures_in_a_row(job_id, running=set()) < limit:
        return None
    states = {
        other: record["JobState"]
        for record in commands.queued(job_id)
        for other in commands.numbers(record.get("ArrayTaskId", ""))
    }
    running = {other for other, state in states.items() if state in ("RUNNING", "COMPLETING")}
    waiting = [other for other, state in states.items() if state == "PENDING"]
    failed = failures_in_a_row(job_id, running - {task})
    if failed < limit or not waiting:
        return None
    reason = (
        f"{failed} tasks in a row have failed, so the {len(waiting)} that had not started were "
        "cancelled; `workshop status` says why they failed, `workshop repair` goes on"
    )
    (notes.folder(job_id) / "cancelled").write_text(reason + "\n")
    commands.run(["scancel", "--state=PENDING", job_id])
    return reason
