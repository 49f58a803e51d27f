"""A folder to begin a sweep of one's own in: the files of the example, for a task of seconds."""

from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import CONFIGS, shown

TEMPLATE = CONFIGS / "template"
FILES = ("config.yaml", "sweep_config.yaml", "sweep_submission.slrm", "wandb_sweep.py")


def make(folder: Path) -> Path:
    """Copy the files into a folder, which is made if it is not there; return its whole path.

    Raises:
        WorkshopError: one of them is there already, or the folder cannot be written to.
    """
    folder = folder.expanduser().resolve()
    if there := [name for name in FILES if (folder / name).exists()]:
        raise WorkshopError(
            f"{shown(folder)} has a file {there[0]} already: name a folder that is empty or new"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).write_bytes((TEMPLATE / name).read_bytes())
    except OSError as error:
        raise WorkshopError(
            f"{shown(folder)} cannot be written to ({error.strerror}): name another folder"
        ) from None
    return folder
