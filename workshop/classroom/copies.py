"""A participant's own copy of the kit, which shares what is large with everybody.

In it notebooks, configs and the package itself may be changed, and `.workshop` with the keys is
private.  Python takes the copy's package instead of the installed one if `PYTHONPATH` names it.
Links lead to the installed packages (`.venv`), the prepared data (`data`), and the kit that it was
made of (`.kit`).
"""

import shlex
import shutil
import sys
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import ROOT

ACTIVATE = "activate"
"""The file of a copy that a shell sources to use it."""

KIT = ".kit"
"""The link of a copy to the kit, from which the copy is made complete again."""

PARTS = ("README.md", "LICENSE", "configs", "docs", "notebooks", "slurm", "sweepserver", "workshop")


def copy(folder: Path) -> Path:
    """Copy the kit; a file that is there already stays as it is, changed or not.

    A program that uses a copy takes the files from the kit that this one was made of.

    Args:
        folder: is made, for its owner alone, if it is not there or empty.

    Returns:
        The folder's absolute path.

    Raises:
        WorkshopError: the folder is the kit itself, holds something else, or cannot be written; or
            the kit that this copy was made of is gone.
    """
    folder = folder.expanduser().resolve()
    kit = _kit()
    if folder.is_relative_to(kit) or ROOT in folder.parents:
        raise WorkshopError(f"{folder} belongs to the kit itself: name a folder elsewhere")
    is_new = not (folder / ACTIVATE).exists()
    if is_new and folder.exists() and any(folder.iterdir()):
        raise WorkshopError(f"{folder} holds something else: rename it, or name another folder")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_new:
            folder.chmod(0o700)  # somebody may have made it, open to all
        (folder / ACTIVATE).write_text(_script(folder))
        for source in _files(kit):
            target = folder / source.relative_to(kit)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        packages = Path(sys.prefix).resolve()  # not the link to them in another copy
        for name, shared in ((".venv", packages), ("data", kit / "data"), (KIT, kit)):
            link = folder / name
            if shared.exists() and not link.exists():
                link.unlink(missing_ok=True)  # it led to what is gone
                link.symlink_to(shared)
    except OSError as error:
        raise WorkshopError(
            f"the kit cannot be copied to {folder} ({error.strerror}): name a folder that you can "
            "write to, with 2 MB of room"
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


def _kit() -> Path:
    """Return the kit that copies are made of: what is running, or what that is a copy of."""
    link = ROOT / KIT
    if not link.is_symlink():
        return ROOT
    if not link.exists():
        raise WorkshopError(
            f"{ROOT} is a copy of the kit in {link.readlink()}, which is gone: in a new terminal, "
            "run the `.venv/bin/workshop copy` of the kit that has taken its place"
        )
    return link.resolve()


def _files(kit: Path) -> list[Path]:
    """Return the files of the kit, without what running it has left among them."""
    found = [file for part in PARTS for file in (kit / part, *(kit / part).rglob("*"))]
    return [
        file
        for file in found
        if file.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & {*file.parts}
    ]
