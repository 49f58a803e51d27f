"""Requeue a run that ended badly: hand it back to its sweep, which gives it to the next agent.

W&B's sweeps never retry a run that failed or disappeared.  But a run that was marked as preempting
before it ended is given to the next agent, under its own ID and with its own values
(https://docs.coreweave.com/products/wandb/runs/resuming, "preemptible Sweeps runs").
So a run is reopened, marked, and ended.
"""

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workshop._compat import client_errors
from workshop.errors import WorkshopError
from workshop.initialize.server_paths import split

if TYPE_CHECKING:
    from wandb.apis.public import Run

CLOCK_SKEW_S = 15
"""Tolerance in seconds: clocks of two machines differ, and a last heartbeat may arrive late."""


def is_silent_since(run: "Run", moment: float) -> bool:
    """Return whether a run has sent no heartbeat since a moment, in seconds since 1970.

    A live process sends one every 30 s.
    """
    if not run.heartbeat_at:
        return True
    heard = datetime.fromisoformat(run.heartbeat_at)
    heard = heard if heard.tzinfo else heard.replace(tzinfo=UTC)
    return heard.timestamp() <= moment + CLOCK_SKEW_S


def hand_back(sweep_path: str, run_id: str, left: float | None = None) -> bool:
    """Requeue a run that no process works on any more: hand it back to its sweep.

    Its state is checked once more first.  A live run that was handed back would be given to a
    second agent before its own process's next heartbeat.

    Args:
        sweep_path: `entity/project/ID`.
        run_id: the run's ID.
        left: when its process ended, in seconds since 1970; None if only the server's own state
            counts.

    Returns:
        Whether it was handed back; if not, it was already taken up, finished or handed back.

    Raises:
        WorkshopError: the path is incomplete, or the server refuses.
    """
    import wandb

    entity, project, _ = split(sweep_path)
    # Nothing about this process may be recorded in the run.
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
        # The config that the sweep gave the run: if its program never reached `wandb.init`, the
        # client treats the run as new and would replace its config with an empty one.
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
    except client_errors() as error:
        raise WorkshopError(
            f"run {run_id} could not be handed back to sweep {sweep_path} ({error}): check that "
            "the server is running and that the run is yours"
        ) from None
    return True
