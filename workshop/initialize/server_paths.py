"""Paths on a W&B server: `entity/project/ID`, of a sweep or a run."""

from typing import TYPE_CHECKING

from workshop.errors import WorkshopError

if TYPE_CHECKING:
    import wandb


def split(sweep_path: str) -> list[str]:
    """Return entity, project and ID of a sweep.

    Raises:
        WorkshopError: this isn't the full path of a sweep.
    """
    parts = sweep_path.split("/")
    if len(parts) != 3 or not all(parts):
        raise WorkshopError(
            f"{sweep_path!r} is not the full path of a sweep: give entity/project/ID as "
            "`wandb sweep` printed it, not its ID alone or the path of its page"
        )
    return parts


def path_of(found: "wandb.apis.public.Sweep | wandb.apis.public.Run") -> str:
    """Return the path of a sweep or a run, by which the client finds it again.

    The client's own `path` is for addresses: it escapes spaces and umlauts.
    """
    return f"{found.entity}/{found.project}/{found.id}"
