"""An array task's steps before and after its agent; the batch script calls this module.

    python -m workshop.run_agents.slurm.task begin SWEEP
        before the agent
    python -m workshop.run_agents.slurm.task end SWEEP STATUS [warned]
        after the agent, with its exit status
    python -m workshop.run_agents.slurm.task failed SWEEP
        when the script ends by a failure, whichever step has failed

An agent writes the values of each run that it is given into a file named after the run.  The
server knows how the run ended.  A run survives a server outage, but an agent gives up within a
minute.  So a task polls its server before and after its agent.  A task that fails is also a
circuit breaker: after several failures in a row, it cancels the tasks that haven't started.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop import files
from workshop._compat import client_errors
from workshop.connection import mode
from workshop.connection.credentials import server_url
from workshop.errors import WorkshopError, exit_status
from workshop.run_agents import agent_output
from workshop.run_agents.slurm import accounting, commands, journal
from workshop.run_agents.slurm.requeue import hand_back
from workshop.settings import settings
from workshop.wording import count

if TYPE_CHECKING:
    import wandb

REQUEUE = os.EX_TEMPFAIL
"""The exit status that asks the batch script to put its task back into the queue."""

# States of a run whose own process hasn't ended it.
_SILENT = ("pending", "running", "crashed")


def main(moment: str, sweep_path: str, *facts: str) -> int:
    """Run the step `begin`, `end` or `failed` of a task; return the exit status.

    Raises:
        WorkshopError: the runs would not reach the server, it does not answer in time, or SLURM
            does not answer.
    """
    if moment == "begin":
        begin(sweep_path)
    elif moment == "failed":
        fail()
    else:
        status, warned = int(facts[0]), "warned" in facts[1:]
        try:
            return end(sweep_path, status, warned)
        except WorkshopError as error:
            print(f"error: {error}", flush=True)
            return REQUEUE if warned else 1
    return 0


def begin(sweep_path: str) -> None:
    """Wait for the server, and requeue the run during which this task's last start was killed.

    Raises:
        WorkshopError: the runs would not reach the server, or it does not answer in time.
    """
    mode.check(mode.find())  # a run that never reaches the server would be lost to the sweep
    await_server(_patience())
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")):
        again(sweep_path)


def await_server(patience: float) -> None:
    """Poll the server until it answers; record an outage in the log and the journal.

    Args:
        patience: timeout in seconds.

    Raises:
        WorkshopError: the server did not answer in time.
    """
    from workshop.connection.reachability import check_reachable

    deadline = time.monotonic() + patience
    place, url = _place(), server_url()
    is_away = False
    while True:
        try:
            check_reachable(url)
        except WorkshopError as error:
            if not is_away:
                is_away = True
                journal.write(place, "away", url)
                print(f"{error}; trying again, for up to {patience:g} s", flush=True)
            if time.monotonic() > deadline:
                raise WorkshopError(
                    f"the W&B server at {url} did not answer within {patience:g} s: once it is up, "
                    "run what is missing with `workshop repair`"
                ) from None
        else:
            break
    if is_away:
        journal.write(place, "back", url)
        print(f"the W&B server at {url} is back", flush=True)


def again(sweep_path: str) -> None:
    """Requeue the run during which this task's last start was killed, unless another task has it.

    A run whose program had time to end it is already in the right state.
    """
    place = _place()
    given = journal.given(place, sweep_path)
    if not given or journal.holder(given[-1].run, sweep_path) != place:
        return
    run = given[-1].run
    began = journal.read(place.parent.name, int(place.name)).starts[-1].began
    if _state(sweep_path, run)[0] in _SILENT and hand_back(sweep_path, run, left=began):
        print(f"run {run} was cut off when this task was stopped; it is back in the sweep's queue")


def end(sweep_path: str, agent_status: int, warned: bool) -> int:
    """Record in the journal how this start of the task ended, and print it.

    Args:
        sweep_path: `entity/project/ID`.
        agent_status: the agent's own exit status.
        warned: whether SLURM has warned the task that it will be stopped.

    Returns:
        0 if every run finished and the agent didn't give up, or if the sweep had no run left for
        this task; `REQUEUE` if the task should continue in another start; otherwise 1.

    Raises:
        WorkshopError: the server does not answer.
    """
    place = _place()
    if gave_up := _gave_up(place):
        journal.write(place, "gave-up", gave_up)
        print(f"the agent gave up, so exit status {agent_status} doesn't mean success: {gave_up}")
    runs = [one.run for one in journal.given_to_newest_start(place, sweep_path)]
    if warned:
        _note_who_asked(place)
    await_server(0 if warned else _patience())  # a task that was warned has no time to wait
    sweep_state = _sweep_state(sweep_path)
    ended = {run: _state(sweep_path, run) for run in runs}
    for run, (state, step) in ended.items():
        journal.write(place, "run", f"{run} {state} {step}")
        print(f"run {run}: {state}")
    if warned:
        return _after_warning(place, ended, sweep_state)
    if not runs and agent_status == 0:
        journal.write(place, "surplus", sweep_state)
        print(f"no work left for this task, because sweep {sweep_path} is {sweep_state}")
        return 0
    if not runs:
        print(f"this task got no run: its agent ended with exit status {agent_status}")
    return int(bool(gave_up) or not runs or any(state != "finished" for state, _ in ended.values()))


def _after_warning(place: Path, ended: dict[str, tuple[str, int]], sweep: str) -> int:
    """Return the exit status of a task that was warned: done, failed, or to be requeued."""
    starts = journal.read(place.parent.name, int(place.name)).starts
    if fruitless(starts) >= 2:
        print(
            "error: two starts of this task in a row completed no new epoch, so another start "
            "would not help: give it more time than one epoch takes (`time` in the site profile)"
        )
        return 1
    limit = settings().runs_per_task
    if any(state not in ("finished", "failed") for state, _ in ended.values()):
        return REQUEUE
    if sweep in ("pending", "running") and (limit == "all" or len(ended) < limit):
        return REQUEUE
    return int(any(state == "failed" for state, _ in ended.values()))


def fail() -> None:
    """Note that this task has failed, and see whether the rest of its array is to be cancelled.

    Raises:
        WorkshopError: SLURM does not answer.
    """
    place = _place()
    journal.write(place, "failed")
    if reason := trip_breaker(place.parent.name, settings().max_failures):
        print(reason)


def fruitless(starts: list[journal.Start]) -> int:
    """Return how many of the newest starts in a row had too little time to advance a run.

    A preempted start doesn't count, because its length says nothing about the time limit.
    """
    best: dict[str, int] = {}
    found = 0
    for start in starts:
        further = [run for run, (_, step) in start.runs.items() if step > best.get(run, -1)]
        if further or not start.warned:
            found = 0
        elif not start.preempted:
            found += 1
        best |= {run: step for run, (_, step) in start.runs.items()}
    return found


def failures_in_a_row(job_id: str, known: Mapping[int, accounting.SlurmStart]) -> int:
    """Return how many tasks in a row have failed since the newest success.

    A task has failed if its journal says so, or if its script ended with a nonzero status.  A
    script that was killed has left no exit status: its task has failed unless SLURM says that it
    is running or waiting.  Tasks that were requeued, cancelled, preempted, or cut off from their
    server don't count, because they say nothing about the program, the node or the disk.

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


def trip_breaker(job_id: str, limit: int) -> str | None:
    """Trip the circuit breaker: after too many failures in a row, cancel the tasks not started yet.

    One bad node, one full disk or one wrong line makes every run fail.  W&B's agents stop after
    several failures, but an agent for one run sees only that one.

    Args:
        job_id: the array.
        limit: how many failures in a row trip it; 0 means never.

    Returns:
        What was done, as a sentence; None if nothing was done.

    Raises:
        WorkshopError: SLURM does not answer.
    """
    # The journal is read first, so that SLURM's controller isn't queried when all goes well.
    if not limit or failures_in_a_row(job_id, {}) < limit:
        return None
    newest = {task: known[-1] for task, known in accounting.starts(job_id).items()}
    waiting = [task for task, start in newest.items() if start.state == "PENDING"]
    failed = failures_in_a_row(job_id, newest)
    if failed < limit or not waiting:
        return None
    reason = (
        f"{count(failed, 'task')} in a row failed, so the {len(waiting)} that had not started were "
        "cancelled; see why with `workshop status`, and retry with `workshop repair`"
    )
    files.write(journal.folder(job_id) / "cancelled", reason + "\n")
    commands.run(["scancel", "--state=PENDING", job_id])
    return reason


def _gave_up(place: Path) -> str:
    """Return the words with which this start's agent gave up; nothing if it did not."""
    log = journal.read(place.parent.name, int(place.name)).log
    # A task that was requeued appends to its log.
    *_, newest = journal.end_of_log(Path(log)).rpartition(f"Array {place.parent.name}, task ")
    return agent_output.gave_up(newest)


def _note_who_asked(place: Path) -> None:
    """Record in the journal why SLURM warned this task: preemption, or its time limit."""
    with suppress(WorkshopError):  # SLURM is busy, so the reason stays unknown
        for record in commands.queued(f"{place.parent.name}_{place.name}"):
            is_preempted = record.get("PreemptTime", "").isdigit()
            journal.write(place, "asked", "preemption" if is_preempted else "time")


def _is_outage(start: journal.Start) -> bool:
    """Return whether the server was down, and no run is known to have failed otherwise."""
    return start.outage and "failed" not in {state for state, _ in start.runs.values()}


def _patience() -> float:
    """Return the timeout in seconds after which a task without a run ends."""
    return settings().idle_seconds


def _place() -> Path:
    """Return this task's folder."""
    return Path(os.environ["WANDB_DIR"])


def _sweep_state(sweep_path: str) -> str:
    return _ask(sweep_path, lambda api: api.sweep(sweep_path).state.lower())


def _state(sweep_path: str, run_id: str) -> tuple[str, int]:
    """Return a run's state and its last step, -1 if it has logged nothing."""
    run = _ask(sweep_path, lambda api: api.run(f"{sweep_path.rpartition('/')[0]}/{run_id}"))
    return run.state, run.lastHistoryStep


def _ask(sweep_path: str, question: "Callable[[wandb.Api], Any]") -> Any:
    import wandb

    try:
        return question(wandb.Api())
    except client_errors() as error:
        raise WorkshopError(
            f"the server could not be asked how this task ended ({error}): check that it is "
            f"running, and that {sweep_path} is entity/project/ID as `wandb sweep` printed it"
        ) from None


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(*sys.argv[1:])))
