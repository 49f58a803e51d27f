"""A participant's own copy of the kit, which shares what is large with everybody.

In it notebooks, configs and the package itself may be changed, and `.workshop` with the keys is
private.  Python takes the copy's package instead of the installed one if `PYTHONPATH` names it.
The installed packages (`.venv`) and the prepared data (`data`) are links.
"""

import shlex
import shutil
import sys
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import ROOT

ACTIVATE = "activate"
"""The file of a copy that a shell sources to use it."""

PARTS = ("README.md", "LICENSE", "configs", "docs", "notebooks", "slurm", "workshop")


def copy(folder: Path) -> Path:
    """Copy the kit; a file that is there already stays as it is, changed or not.

    Args:
        folder: is made, for its owner alone, if it is not there.

    Returns:
        The folder's absolute path.

    Raises:
        WorkshopError: the folder is the kit itself, holds something else, or cannot be written.
    """
    folder = folder.expanduser().resolve()
    if folder.is_relative_to(ROOT):
        raise WorkshopError(f"{folder} belongs to the kit itself: name a folder elsewhere")
    if folder.exists() and not (folder / ACTIVATE).exists() and any(folder.iterdir()):
        raise WorkshopError(f"{folder} holds something else: rename it, or name another folder")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ACTIVATE).write_text(_script(folder))
        for source in _files():
            target = folder / source.relative_to(ROOT)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        for name, shared in ((".venv", Path(sys.prefix)), ("data", ROOT / "data")):
            link = folder / name
            if shared.exists() and not link.exists():
                link.unlink(missing_ok=True)  # it led to what is gone
                link.symlink_to(shared)
    except OSError as error:
        raise WorkshopError(
            f"the kit cannot be copied to {folder} ({error.strerror}): name a folder that you can "
            "write to, with 20 MB of room"
        ) from error
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return the variables with which programs use the copy in `folder`; PATH needs its end."""
    return {"PYTHONPATH": str(folder), "PATH": str(folder / ".venv" / "bin")}


def _script(folder: Path) -> str:
    given = environment(folder)
    return (
        f"# To be sourced by a shell: source {shlex.quote(str(folder / ACTIVATE))}\n"
        f"export PYTHONPATH={shlex.quote(given['PYTHONPATH'])}\n"
        f"export PATH={shlex.quote(given['PATH'])}:$PATH\n"
    )


def _files() -> list[Path]:
    """Return the files of the kit, without what running it has left among them."""
    found = [file for part in PARTS for file in (ROOT / part, *(ROOT / part).rglob("*"))]
    return [
        file
        for file in found
        if file.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & {*file.parts}
    ]
