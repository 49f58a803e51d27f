"""Hand a run that ended badly back to its sweep, which gives it to the next agent.

W&B's sweeps never repeat a run that failed or vanished.  A run that was marked as preempting
before it ended, though, is given to the next agent under its own ID and with its own values
(https://docs.coreweave.com/products/wandb/runs/resuming, "preemptible Sweeps runs").
So a run is opened again, marked, and ended.
"""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from wandb.apis.public import Run

CLOCKS = 15
"""Seconds by which the clocks of two machines may differ, and a process be heard after its end."""


def is_silent_since(run: "Run", moment: float) -> bool:
    """Say whether the server has heard nothing of a run since a moment, in seconds since 1970.

    A process that lives is heard every half a minute.
    """
    if not run.heartbeat_at:
        return True
    heard = datetime.fromisoformat(run.heartbeat_at)
    heard = heard if heard.tzinfo else heard.replace(tzinfo=UTC)
    return heard.timestamp() <= moment + CLOCKS


def hand_back(sweep_path: str, run_id: str, left: float | None = None) -> bool:
    """Hand a run, which no process works on any more, back to its sweep.

    The server is asked once more what the run does: a live one that were handed back would be
    given to a second agent, before its process is heard again.

    Args:
        sweep_path: `entity/project/ID`.
        run_id: the run's ID.
        left: when its process ended, in seconds since 1970; None if the server must know that it
            has ended.

    Returns:
        Whether it was handed back; if not, it has been taken up, finished or handed back already.

    Raises:
        WorkshopError: the server does not take it.
    """
    import wandb
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    entity, project, _ = sweep_path.split("/")
    # Nothing about this process belongs to the run.
    quiet = wandb.Settings(
        console="off", silent=True, x_disable_stats=True, x_disable_meta=True,
        x_save_requirements=False, disable_git=True, disable_code=True,
    )  # fmt: skip
    try:
        found = wandb.Api().run(f"{entity}/{project}/{run_id}")
        is_left = left is not None and is_silent_since(found, left)
        if found.state not in ("failed", "crashed", "killed") and not (
            found.state in ("pending", "running", "preempting") and is_left
        ):
            return False
        # What the sweep gave the run: if its program never reached `wandb.init`, the client takes
        # it for a new one and would replace its config by an empty one.
        run = wandb.init(
            entity=entity,
            project=project,
            id=run_id,
            resume="allow",
            config=found.config,
            settings=quiet,
        )
        run.mark_preempting()
        run.finish(exit_code=os.EX_TEMPFAIL)
    except (wandb.errors.Error, WandbApiFailedError, ValueError) as error:
        raise WorkshopError(
            f"run {run_id} was not handed back to sweep {sweep_path} ({error}): check that the "
            "server runs and that the run is yours"
        ) from None
    return True
