"""Hand a run that ended badly back to its sweep, which gives it to the next agent.

W&B's sweeps never repeat a run that failed or vanished.  A run that was marked as preempting
before it ended, though, is given to the next agent under its own ID and with its own values
(https://docs.coreweave.com/products/wandb/runs/resuming, "preemptible Sweeps runs").
So a run is opened again, marked, and ended.
"""

import os

from workshop.errors import WorkshopError


def hand_back(sweep_path: str, run_id: str) -> None:
    """Hand a run, which no process works on any more, back to its sweep.

    Raises:
        WorkshopError: the server does not take it.
    """
    import wandb

    entity, project, _ = sweep_path.split("/")
    # Nothing about this process belongs to the run.
    quiet = wandb.Settings(
        console="off", silent=True, x_disable_stats=True, x_disable_meta=True,
        x_save_requirements=False, disable_git=True, disable_code=True,
    )  # fmt: skip
    try:
        # What the sweep gave the run: if its program never reached `wandb.init`, the client takes
        # it for a new one and would replace its config by an empty one.
        config = wandb.Api().run(f"{entity}/{project}/{run_id}").config
        run = wandb.init(
            entity=entity, project=project, id=run_id, resume="allow", config=config, settings=quiet
        )
        run.mark_preempting()
        run.finish(exit_code=os.EX_TEMPFAIL)
    except (wandb.errors.Error, ValueError) as error:
        raise WorkshopError(
            f"run {run_id} was not handed back to sweep {sweep_path} ({error}): check that the "
            "server runs and that the run is yours"
        ) from None
