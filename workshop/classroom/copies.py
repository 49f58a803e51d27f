"""A participant's own copy of the kit, which shares its large parts with everybody.

Its notebooks, configs and package can be changed, and `.workshop` with the keys is private.  Python
uses the copy's package instead of the installed one if `PYTHONPATH` names it.  Links lead to the
installed packages (`.venv`), the prepared data (`data`), and the kit that it was copied from
(`.kit`).
"""

import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import nbformat

from workshop import stored_outputs
from workshop.errors import WorkshopError
from workshop.paths import ROOT, WHEEL_PARTS

ACTIVATE = "activate"
"""The file of a copy that a shell sources to use it."""

KIT = ".kit"
"""A copy's link to the kit, from which missing files are restored."""

LAYOUT = ".layout"
"""The file of a copy that records which modules the kit had."""

PACKAGES = ("sweepserver", "workshop")
PARTS = (
    *("README.md", "LICENSE", "LICENSE-text.md", "configs", "docs", "notebooks", "slurm"),
    *PACKAGES,
)


def copy(folder: Path) -> Path:
    """Copy the kit into a folder; existing files are never overwritten.

    From within a copy, files come from the kit that the copy was made from.  Nothing is added to a
    copy of a kit with other modules (`is_outdated`), because they wouldn't fit together.

    Args:
        folder: the folder, new or empty or a copy; a new one is readable only by its owner.

    Returns:
        The folder's absolute path.

    Raises:
        WorkshopError: the folder is part of the kit, has other files, or can't be written; or the
            kit that this copy was made from is gone.
    """
    folder = folder.expanduser().resolve()
    kit = _kit()
    if folder.is_relative_to(kit) or ROOT in folder.parents:
        raise WorkshopError(f"{folder} is part of the kit itself: give a folder elsewhere")
    is_new = not (folder / ACTIVATE).exists()
    files = _files(kit)
    if is_new and folder.exists() and any(folder.iterdir()):
        raise WorkshopError(f"{folder} is not empty: rename it, or give another folder")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_new:
            folder.chmod(0o700)  # it may have existed with wider permissions
            (folder / LAYOUT).write_text(_layout(files))
        (folder / ACTIVATE).write_text(_script(folder))
        for name, source in files.items() if _fits(folder, files) else ():
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(source, target)
        packages = Path(sys.prefix).resolve()  # not another copy's link to them
        for name, shared in ((".venv", packages), ("data", _parts(kit) / "data"), (KIT, kit)):
            link = folder / name
            if shared.exists() and not link.exists():
                link.unlink(missing_ok=True)  # a dangling link
                link.symlink_to(shared)
    except OSError as error:
        raise WorkshopError(
            f"the kit cannot be copied to {folder} ({error.strerror}): give a folder that you can "
            "write to, with 2 MB of free space"
        ) from error
    return folder


def _copy(source: Path, target: Path) -> None:
    """Copy a file; a notebook is copied without its stored outputs."""
    if source.suffix == ".ipynb":
        notebook = nbformat.read(source, as_version=4)
        stored_outputs.remove(notebook)
        nbformat.write(notebook, target)
    else:
        shutil.copyfile(source, target)


def is_outdated(folder: Path) -> bool:
    """Return whether a copy was made from a kit with other modules than this one.

    It still works, because its notebooks, modules and sweeps belong together.
    """
    return not _fits(folder, _files(_kit()))


def around(folder: Path) -> Path | None:
    """Return the user's own copy that contains a folder; None if there is none."""
    for place in (folder, *folder.parents):
        if (place / ACTIVATE).is_file() and (place / LAYOUT).is_file():
            return place if place.stat().st_uid == os.getuid() else None
    return None


def go_on_in(folder: Path, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by the command `workshop` of a copy."""
    variables = environment(folder)
    path = f"{variables['PATH']}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    program = "import sys; from workshop.cli import main; sys.exit(main())"
    sys.stdout.flush()
    os.execve(  # noqa: S606
        sys.executable,
        [sys.executable, "-P", "-c", program, *arguments],
        os.environ | variables | {"PATH": path},
    )


def environment(folder: Path) -> dict[str, str]:
    """Return the variables with which programs use a copy; `PATH` is only the first part."""
    return {"PYTHONPATH": str(folder), "PATH": str(folder / ".venv" / "bin")}


def _script(folder: Path) -> str:
    given = environment(folder)
    return (
        f"# To be sourced by a shell: source {shlex.quote(str(folder / ACTIVATE))}\n"
        f"export PYTHONPATH={shlex.quote(given['PYTHONPATH'])}\n"
        f"export PATH={shlex.quote(given['PATH'])}:$PATH\n"
    )


def _kit() -> Path:
    """Return the kit to copy from: the running one, or the one that it is a copy of."""
    link = ROOT / KIT
    if not link.is_symlink():
        return ROOT
    if not link.exists():
        raise WorkshopError(
            f"{ROOT} is a copy of the kit in {link.readlink()}, which no longer exists: in a new "
            "terminal, run `.venv/bin/workshop copy` of the kit that has replaced it"
        )
    return link.resolve()


def _fits(folder: Path, files: Mapping[str, Path]) -> bool:
    """Return whether a copy was made from a kit with the same modules as these files."""
    note = folder / LAYOUT
    return note.exists() and note.read_text() == _layout(files)


def _layout(files: Mapping[str, Path]) -> str:
    """Return a hash that is the same for kits with the same modules, whatever they contain."""
    names = sorted(name for name in files if name.endswith(".py"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _parts(kit: Path) -> Path:
    """Return the folder of a kit's other files, which in a wheel isn't the packages' folder."""
    installed = kit / WHEEL_PARTS.relative_to(ROOT)
    return installed if installed.is_dir() else kit


def _files(kit: Path) -> dict[str, Path]:
    """Return the kit's files by their names in a copy, without caches."""
    parts = _parts(kit)
    places = [(kit if name in PACKAGES else parts, name) for name in PARTS]
    return {
        str(file.relative_to(base)): file
        for base, name in places
        for file in (base / name, *(base / name).rglob("*"))
        if file.is_file()
        and not {"__pycache__", ".ipynb_checkpoints"} & {*file.parts}
        and not (name in PACKAGES and parts != kit and file.is_relative_to(parts))
    }
