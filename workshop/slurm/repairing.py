"""Complete a sweep: run exactly the points that failed, vanished, or were never handed out."""

from collections.abc import Callable
from typing import Any

from workshop import sweep
from workshop.errors import WorkshopError
from workshop.slurm.array import ArrayJob, submit
from workshop.slurm.handback import hand_back
from workshop.slurm.points import Gaps, SweepRun, account
from workshop.slurm.starts import claimed
from workshop.slurm.submission import plan, split
from workshop.slurm.table import LIVE, ledger


def gaps(sweep_path: str) -> Gaps:
    """Return what a sweep has done and what is missing; printing it is a dry run of `repair`.

    Raises:
        WorkshopError: there is no such sweep, or its server does not answer.
    """
    split(sweep_path)
    config = sweep.get(sweep_path).config
    varied = list(config["parameters"])
    # Before the runs: one that ends in between is then done, and not one that its task has left.
    tasks = ledger(sweep_path)
    dead = set(tasks.loc[~tasks["kind"].isin(LIVE), "run"].dropna())
    found = list(sweep.runs(sweep_path))
    reached = sweep.reached_values(sweep_path, config, found)
    runs = [
        SweepRun(
            run.id,
            run.state,
            {name: run.config[name] for name in varied if name in run.config},
            reached.get(run.id),
        )
        for run in found
    ]
    return account(config, runs, dead)


def repair(
    sweep_path: str,
    patience: float = 60,
    show: Callable[[str], object] = print,
    **options: Any,
) -> ArrayJob | None:
    """Submit an array that completes a sweep, with a task for each run that is missing.

    Failed runs go back to the sweep, which hands them out again under their own IDs; points that
    were never handed out come by themselves.  So no point is run twice.

    Args:
        sweep_path: `entity/project/ID`.
        patience: as for `submit`.
        show: gets lines about what is done.
        options: `at_once`, `site` and options of `sbatch`, as for `plan`.

    Returns:
        The array; None if nothing is missing, or enough tasks are waiting already.

    Raises:
        WorkshopError: the sweep is paused or canceled, or as `plan` and `submit` say; then
            nothing is in the queue.
    """
    found = gaps(sweep_path)
    show(str(found))
    work = found.missing + len(found.failed) + len(found.interrupted)
    taken = claimed(sweep_path)
    if work <= taken:
        show(f"tasks for these {work} runs are waiting already" if work else "nothing to repair")
        return None
    state = sweep.get(sweep_path).state.lower()
    if state in ("paused", "canceled"):
        raise WorkshopError(
            f"sweep {sweep_path} is {state}, so its agents would get no runs: continue it with "
            f"`wandb sweep --resume {sweep_path}`, then repair it"
        )

    def give_work() -> None:
        for run in found.failed:
            hand_back(sweep_path, run.id)
        if state == "finished":  # and would be again at once, were there nothing to hand out
            sweep.resume(sweep_path)

    submission = plan(sweep_path, tasks=work - int(taken), **options)
    return submit(submission, patience, show, prepare=give_work)
