"""End a sweep for good: at its server, and what waits and runs for it on the cluster."""

from collections import Counter
from collections.abc import Callable

from workshop import sweep
from workshop.errors import WorkshopError
from workshop.slurm import clusters, commands, notes
from workshop.slurm.starts import SlurmStart
from workshop.slurm.submission import split

_CANCELABLE = ("pending", "running", "paused")


def cancel(sweep_path: str, show: Callable[[str], object] = print) -> None:
    """Cancel a sweep, which cannot be resumed, and the arrays that were submitted for it.

    The server is told first, so that no task that is still there, or comes back into the queue,
    is given another run.  The arrays end even if the server does not answer.

    Args:
        sweep_path: `entity/project/ID`.
        show: gets a line about each thing that is done.

    Raises:
        WorkshopError: the server or SLURM does not answer, or refuses; what could be ended has
            been.
    """
    split(sweep_path)
    problem = None
    try:
        _cancel_sweep(sweep_path, show)
    except WorkshopError as error:
        problem = error
    _cancel_arrays(sweep_path, show)
    if problem:
        raise problem


def _cancel_sweep(sweep_path: str, show: Callable[[str], object]) -> None:
    state = sweep.get(sweep_path).state.lower()
    if state not in _CANCELABLE:
        show(f"sweep {sweep_path} is {state} already")
        return
    sweep.cancel(sweep_path)
    show(f"sweep {sweep_path} is canceled: no agent gets another run, and those that run end")


def _cancel_arrays(sweep_path: str, show: Callable[[str], object]) -> None:
    cancelled = False
    for job in notes.arrays(sweep_path):
        alive: Counter[str] = Counter()
        environment = clusters.environment_of(job)
        for record in commands.queued(job, environment):
            state = record["JobState"]
            if not SlurmStart(0, state).ended:
                tasks = commands.numbers(record.get("ArrayTaskId", ""))
                alive["waiting" if state == "PENDING" else "running"] += len(tasks)
        if alive.total():
            # The probe comes first: without it, the tasks that wait for it would never start.
            probe = notes.recorded(job).get("probe")
            commands.run(["scancel", *filter(None, [probe, job])], environment)
            what = " and ".join(f"{count} {state}" for state, count in sorted(alive.items()))
            show(f"array job {job} is cancelled, with {what} tasks")
            cancelled = True
    if not cancelled:
        show("no array that was submitted for it from here waits or runs")
