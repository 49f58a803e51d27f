"""What an array task does beside its agent; the batch script calls it.

    python -m workshop.run_agents.slurm.task begin SWEEP
        before the agent
    python -m workshop.run_agents.slurm.task end SWEEP STATUS [warned]
        after the agent, with its exit status

An agent leaves the values that it was given for a run in a file named after the run; how the run
ended is known to the server.  Runs that are going on outlive a server that is away, but an agent
gives up on it within a minute.  So a task waits for its server before and after its agent.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.connection import mode
from workshop.connection.credentials import server_url
from workshop.errors import WorkshopError, exit_status
from workshop.run_agents.slurm import breaker, commands, journal
from workshop.run_agents.slurm.requeue import hand_back

if TYPE_CHECKING:
    import wandb

REQUEUE = os.EX_TEMPFAIL
"""The exit status that asks the batch script to put its task back into the queue."""

# States of a run that no process of its own has ended.
_SILENT = ("pending", "running", "crashed")


def main(moment: str, sweep_path: str, *facts: str) -> int:
    """Do what is due at a moment, `begin` or `end`; return the exit status.

    Raises:
        WorkshopError: the runs would not reach the server, it does not answer in time, or SLURM
            does not answer.
    """
    if moment == "begin":
        begin(sweep_path)
        return 0
    status, warned = int(facts[0]), "warned" in facts[1:]
    try:
        code = end(sweep_path, status, warned)
    except WorkshopError as error:
        print(f"error: {error}", flush=True)
        code = REQUEUE if warned else 1
    if code not in (0, REQUEUE):
        place = _place()
        journal.write(place, "failed")
        limit = int(os.environ.get("WORKSHOP_MAX_FAILURES", "3"))
        if reason := breaker.trip(place.parent.name, limit):
            print(reason)
    return code


def begin(sweep_path: str) -> None:
    """Wait for the server; hand back the run that this task's last start was killed in.

    Raises:
        WorkshopError: the runs would not reach the server, or it does not answer in time.
    """
    mode.check(mode.find())  # better take no run than one that the server never sees
    await_server(_patience())
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")):
        again(sweep_path)


def await_server(patience: float) -> None:
    """Return as soon as the server answers; say in the log and the notes that it does not.

    Args:
        patience: seconds to wait.

    Raises:
        WorkshopError: they are over.
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
                print(f"{error}; waiting for it, up to {patience:g} s more", flush=True)
            if time.monotonic() > deadline:
                raise WorkshopError(
                    f"the W&B server at {url} did not answer in time ({patience:g} s): once it is "
                    "up, `workshop repair` runs what is missing"
                ) from None
        else:
            break
    if is_away:
        journal.write(place, "back", url)
        print(f"the W&B server at {url} answers again", flush=True)


def again(sweep_path: str) -> None:
    """Hand back the run that this task's last start was killed in, unless another task has it.

    A run whose program had the time to end itself is in the right state already.
    """
    place = _place()
    given = journal.given(place, sweep_path)
    if not given or journal.holder(given[-1].run, sweep_path) != place:
        return
    run = given[-1].run
    began = journal.read(place.parent.name, int(place.name)).starts[-1].began
    if _state(sweep_path, run)[0] in _SILENT and hand_back(sweep_path, run, left=began):
        print(f"run {run} was cut off when this task was stopped; it goes back to the sweep")


def end(sweep_path: str, agent_status: int, warned: bool) -> int:
    """Say how this start of the task ended, and note it.

    Args:
        sweep_path: `entity/project/ID`.
        agent_status: the agent's own exit status.
        warned: whether SLURM has asked the task to leave.

    Returns:
        0 if every run finished, or if the sweep had none left for this task; `REQUEUE` if the
        task is to go on in another start; otherwise 1.

    Raises:
        WorkshopError: the server does not answer.
    """
    place = _place()
    runs = [one.run for one in journal.given_to_newest_start(place, sweep_path)]
    if warned:
        _note_who_asked(place)
    await_server(0 if warned else _patience())  # there is no time to wait for a task that must go
    sweep_state = _sweep_state(sweep_path)
    ended = {run: _state(sweep_path, run) for run in runs}
    for run, (state, step) in ended.items():
        journal.write(place, "run", f"{run} {state} {step}")
        print(f"run {run}: {state}")
    if warned:
        return _after_warning(place, ended, sweep_state)
    if not runs and agent_status == 0:
        journal.write(place, "surplus", sweep_state)
        print(f"no work left for this task: sweep {sweep_path} is {sweep_state}")
        return 0
    if not runs:
        print(f"this task got no run: its agent ended with exit status {agent_status}")
    return int(not runs or any(state != "finished" for state, _ in ended.values()))


def _after_warning(place: Path, ended: dict[str, tuple[str, int]], sweep: str) -> int:
    """Return whether a warned task is done, has failed, or goes on."""
    starts = journal.read(place.parent.name, int(place.name)).starts
    if fruitless(starts) >= 2:
        print(
            "error: two starts of this task in a row brought no new epoch, so another one would "
            "not help: give it more time (`time` in the site profile) than one epoch takes"
        )
        return 1
    count = os.environ.get("WORKSHOP_RUNS_PER_TASK") or "1"
    if any(state not in ("finished", "failed") for state, _ in ended.values()):
        return REQUEUE
    if sweep in ("pending", "running") and (count == "all" or len(ended) < int(count)):
        return REQUEUE
    return int(any(state == "failed" for state, _ in ended.values()))


def fruitless(starts: list[journal.Start]) -> int:
    """Return how many of the newest starts in a row had too little time to bring a run further.

    One that another job has cut short says nothing about its time.
    """
    best: dict[str, int] = {}
    count = 0
    for start in starts:
        further = [run for run, (_, step) in start.runs.items() if step > best.get(run, -1)]
        if further or not start.warned:
            count = 0
        elif not start.preempted:
            count += 1
        best |= {run: step for run, (_, step) in start.runs.items()}
    return count


def _note_who_asked(place: Path) -> None:
    """Note whether another job takes this task's place, or its time is nearly over."""
    with suppress(WorkshopError):  # SLURM is busy: then nobody knows
        for record in commands.queued(f"{place.parent.name}_{place.name}"):
            is_preempted = record.get("PreemptTime", "").isdigit()
            journal.write(place, "asked", "preemption" if is_preempted else "time")


def _patience() -> float:
    """Return how many seconds a task may hold its place without a run."""
    return float(os.environ.get("WORKSHOP_IDLE_SECONDS") or 600)


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
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    try:
        return question(wandb.Api())
    except (wandb.errors.Error, WandbApiFailedError, ValueError) as error:
        raise WorkshopError(
            f"the server did not tell how this task ended ({error}): check that it runs, and that "
            f"{sweep_path} is entity/project/ID as `wandb sweep` printed it"
        ) from None


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(*sys.argv[1:])))
