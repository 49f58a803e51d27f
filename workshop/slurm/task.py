"""What an array task does beside its agent; the batch script calls it.

    python -m workshop.slurm.task again SWEEP               before the agent, if SLURM started the
                                                            task once more
    python -m workshop.slurm.task end SWEEP STATUS [warned] after the agent, with its exit status

An agent leaves the values that it was given for a run in a file named after the run; how the run
ended is known to the server.
"""

import os
import sys
from pathlib import Path

from workshop.errors import WorkshopError, exit_status
from workshop.slurm import breaker, notes
from workshop.slurm.handback import hand_back

REQUEUE = os.EX_TEMPFAIL
"""The exit status that asks the batch script to put its task back into the queue."""

# States of a run that no process of its own has ended.
_SILENT = ("pending", "running", "crashed")


def main(moment: str, sweep_path: str, *facts: str) -> int:
    """Do what is due at a moment, `again` or `end`; return the exit status.

    Raises:
        WorkshopError: the server or SLURM does not answer.
    """
    if moment == "again":
        return again(sweep_path)
    status, warned = int(facts[0]), "warned" in facts[1:]
    try:
        code = end(sweep_path, status, warned)
    except WorkshopError as error:
        print(f"error: {error}", flush=True)
        code = REQUEUE if warned else 1
    if code not in (0, REQUEUE):
        limit = int(os.environ.get("WORKSHOP_MAX_FAILURES", "3"))
        place = _place()
        if reason := breaker.trip(place.parent.name, int(place.name), limit):
            print(reason)
    return code


def again(sweep_path: str) -> int:
    """Hand back the run that this task's last start was killed in, unless another task has it.

    A run whose program had the time to end itself is in the right state already.
    """
    place = _place()
    given = notes.given(place, sweep_path)
    if not given or notes.holder(given[-1].run, sweep_path) != place:
        return 0
    run = given[-1].run
    if _state(sweep_path, run)[0] in _SILENT:
        print(f"run {run} was cut off when this task was stopped; it goes back to the sweep")
        hand_back(sweep_path, run)
    return 0


def end(sweep_path: str, agent_status: int, warned: bool) -> int:
    """Say how this start of the task ended, and note it.

    Args:
        sweep_path: `entity/project/ID`.
        agent_status: the agent's own exit status.
        warned: whether the task's time was up.

    Returns:
        0 if every run finished, or if the sweep had none left for this task; `REQUEUE` if the
        task is to go on in another start; otherwise 1.

    Raises:
        WorkshopError: the server does not answer.
    """
    place = _place()
    began = (place / "started").stat().st_mtime
    runs = [one.run for one in notes.given(place, sweep_path) if one.at >= began]
    sweep_state = _sweep_state(sweep_path)
    ended = {run: _state(sweep_path, run) for run in runs}
    for run, (state, step) in ended.items():
        notes.write(place, "run", f"{run} {state} {step}")
        print(f"run {run}: {state}")
    if warned:
        return _after_warning(place, ended, sweep_state)
    if not runs and agent_status == 0:
        notes.write(place, "surplus", sweep_state)
        print(f"no work left for this task: sweep {sweep_path} is {sweep_state}")
        return 0
    if not runs:
        print(f"this task got no run: its agent ended with exit status {agent_status}")
    return int(not runs or any(state != "finished" for state, _ in ended.values()))


def _after_warning(place: Path, ended: dict[str, tuple[str, int]], sweep: str) -> int:
    """Return whether a warned task is done, has failed, or goes on."""
    starts = notes.read(place.parent.name, int(place.name)).starts
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


def fruitless(starts: list[notes.Start]) -> int:
    """Return how many of the newest starts in a row were warned and brought no run further."""
    best: dict[str, int] = {}
    count = 0
    for start in starts:
        further = [run for run, (_, step) in start.runs.items() if step > best.get(run, -1)]
        count = count + 1 if start.warned and not further else 0
        best |= {run: step for run, (_, step) in start.runs.items()}
    return count


def _place() -> Path:
    """Return this task's folder."""
    return Path(os.environ["WANDB_DIR"])


def _sweep_state(sweep_path: str) -> str:
    import wandb

    try:
        return wandb.Api().sweep(sweep_path).state.lower()
    except (wandb.errors.Error, ValueError) as error:
        raise _silence(sweep_path, error) from None


def _state(sweep_path: str, run_id: str) -> tuple[str, int]:
    """Return a run's state and its last step, -1 if it has logged nothing."""
    import wandb

    try:
        run = wandb.Api().run(f"{sweep_path.rpartition('/')[0]}/{run_id}")
        return run.state, run.lastHistoryStep
    except (wandb.errors.Error, ValueError) as error:
        raise _silence(sweep_path, error) from None


def _silence(sweep_path: str, error: Exception) -> WorkshopError:
    return WorkshopError(
        f"the server did not tell how this task ended ({error}): check that it runs, and that "
        f"{sweep_path} is entity/project/ID as `wandb sweep` printed it"
    )


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(*sys.argv[1:])))
