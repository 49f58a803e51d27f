"""Complete a sweep: run exactly the points that failed, vanished, or were never handed out."""

import dataclasses
import fcntl
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import shown
from workshop.run_agents.slurm import journal
from workshop.run_agents.slurm.array import ArrayJob, submit
from workshop.run_agents.slurm.missing_points import Gaps, SweepRun, account, state_by_task
from workshop.run_agents.slurm.report import kinds
from workshop.run_agents.slurm.requeue import hand_back, is_silent_since
from workshop.run_agents.slurm.submission import between_claims, plan, split
from workshop.run_agents.slurm.task_ledger import holders, ledger


def gaps(sweep_path: str, only: Collection[str] = ()) -> Gaps:
    """Return what a sweep has done and what is missing; printing it is a dry run of `repair`.

    Args:
        sweep_path: `entity/project/ID`.
        only: kinds of causes (`cause.KINDS`) of the failed runs that are to be repeated; none
            means all.

    Raises:
        WorkshopError: there is no such sweep or cause, or its server does not answer.
    """
    split(sweep_path)
    only = kinds(only)
    config = registration.get(sweep_path).config
    varied = list(config["parameters"])
    # Before the runs: one that ends in between is then done, and not one that its task has left.
    tasks = holders(sweep_path)
    found = list(registration.runs(sweep_path))
    reached = registration.reached_values(sweep_path, config, found)
    runs = []
    for run in found:
        state, task = run.state, tasks.get(run.id)
        # A process outside of SLURM may have been given the run after its task.
        if task and (task.state != "left" or (task.left and is_silent_since(run, task.left))):
            state = state_by_task(state, task.state)
        values = {name: run.config[name] for name in varied if name in run.config}
        runs.append(SweepRun(run.id, state, values, reached.get(run.id), task and task.left))
    accounted = account(config, runs)
    return _limited(accounted, sweep_path, only) if only else accounted


def _limited(found: Gaps, sweep_path: str, only: Collection[str]) -> Gaps:
    """Leave out the failed runs whose causes are not among some kinds."""
    tasks = ledger(sweep_path)
    kind = {(task, run): kind for task, run, kind in tasks[["task", "run", "kind"]].to_numpy()}

    def is_asked_for(run: SweepRun) -> bool:
        # Of several tasks with the run, the one that it was given to last knows its end.
        if place := journal.holder(run.id, sweep_path):
            return kind.get((f"{place.parent.name}_{place.name}", run.id)) in only
        return any(of == run.id and why in only for (_, of), why in kind.items())

    chosen = [run for run in found.failed if is_asked_for(run)]
    others = [run for run in found.failed if run not in chosen]
    return dataclasses.replace(found, failed=chosen, left_out=others)


def repair(
    sweep_path: str,
    patience: float = 60,
    show: Callable[[str], object] = print,
    only: Collection[str] = (),
    **options: Any,
) -> ArrayJob | None:
    """Submit an array that completes a sweep, with a task for each run that is missing.

    Failed runs go back to the sweep, which hands them out again under their own IDs; points that
    were never handed out come by themselves.  So no point is run twice.  What a task waits for or
    works on is left alone, and a second repair waits for the end of the first.

    Args:
        sweep_path: `entity/project/ID`.
        patience: as for `submit`.
        show: gets lines about what is done.
        only: as for `gaps`.  What was never handed out is run all the same: the sweep decides
            which of its points an agent gets.
        options: `at_once`, `site` and options of `sbatch`, as for `plan`.

    Returns:
        The array; None if nothing is missing, or enough tasks are there already.

    Raises:
        WorkshopError: the sweep is paused or canceled, or as `plan` and `submit` say; then
            nothing is in the queue.
    """
    split(sweep_path)
    with _alone(sweep_path, show):
        return _repair(sweep_path, patience, show, only, options)


def _repair(
    sweep_path: str,
    patience: float,
    show: Callable[[str], object],
    only: Collection[str],
    options: dict[str, Any],
) -> ArrayJob | None:
    found, taken = between_claims(sweep_path, lambda: gaps(sweep_path, only))
    show(str(found))
    work = found.missing + len(found.failed) + len(found.interrupted)
    if not work:
        show("nothing to repair")
        return None
    if work <= taken and not found.failed:
        show(f"tasks for these {work} runs are waiting already")
        return None
    state = registration.get(sweep_path).state.lower()
    if state in ("paused", "canceled"):
        raise WorkshopError(
            f"sweep {sweep_path} is {state}, so its agents would get no runs: continue it with "
            f"`wandb sweep --resume {sweep_path}`, then repair it"
        )

    def give_work() -> None:
        for run in found.failed:
            if not hand_back(sweep_path, run.id, run.left):
                show(f"run {run.id} is left alone: it has been taken up or handed back meanwhile")
        if state == "finished":  # and would be again at once, were there nothing to hand out
            registration.resume(sweep_path)

    if work <= taken:
        give_work()
        show(f"tasks for these {work} runs are waiting already, and were given the failed ones")
        return None
    submission = plan(sweep_path, tasks=work - int(taken), **options)
    return submit(submission, patience, show, prepare=give_work)


@contextmanager
def _alone(sweep_path: str, show: Callable[[str], object]) -> Iterator[None]:
    """Let one repair of a sweep after the other in here; a kill lets go.

    Raises:
        WorkshopError: the folder of the logs cannot be written.
    """
    file = journal.logs() / f"repair-{split(sweep_path)[-1]}.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("w")
    except OSError as error:
        raise WorkshopError(
            f"nothing was repaired, since {shown(file)} cannot be written ({error.strerror}): set "
            "WORKSHOP_HOME to a folder that you may write to"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            show("another repair of this sweep is going on: waiting for its end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks
        yield
