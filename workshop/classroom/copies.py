"""A participant's own copy of the kit, which shares its large parts with everybody.

Its notebooks, configs and package can be changed, and `.workshop` with the keys is private.  Python
uses the copy's package instead of the installed one if `PYTHONPATH` names it.  Links lead to the
installed packages (`.venv`), the prepared data (`data`), and the kit that it was copied from
(`.kit`).
"""

import hashlib
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import nbformat

from workshop import files, stored_outputs
from workshop.classroom import manifest
from workshop.errors import WorkshopError
from workshop.paths import ROOT, WHEEL_PARTS

USUAL = Path("~/sweep-workshop")
"""Where a participant's copy is unless they name another folder."""

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
    kit = source_kit()
    if folder.is_relative_to(kit) or ROOT in folder.parents:
        raise WorkshopError(f"{folder} is part of the kit itself: give a folder elsewhere")
    is_new = not (folder / ACTIVATE).exists()
    sources = files_of(kit)
    if is_new and folder.exists() and any(folder.iterdir()):
        raise WorkshopError(f"{folder} is not empty: rename it, or give another folder")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_new:
            folder.chmod(0o700)  # it may have existed with wider permissions
            record_layout(folder, sources)
        link(folder, kit)
        digests = {} if is_new else manifest.read(folder)
        try:
            for name, source in sources.items() if _fits(folder, sources) else ():
                target = folder / name
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    files.write(target, content(source))
                    if digests is not None:
                        digests[name] = manifest.digest(source)
        finally:
            if digests is not None:
                manifest.write(folder, digests)
    except OSError as error:
        raise WorkshopError(
            f"the kit cannot be copied to {folder} ({error.strerror}): give a folder that you can "
            "write to, with 2 MB of free space"
        ) from error
    return folder


def content(source: Path) -> bytes:
    """Return what a copy gets of a file of the kit: a notebook without its stored outputs."""
    if source.suffix != ".ipynb":
        return source.read_bytes()
    notebook = nbformat.read(source, as_version=4)
    stored_outputs.remove(notebook)
    return f"{nbformat.writes(notebook)}\n".encode()


def link(folder: Path, kit: Path) -> None:
    """Write the file that a shell sources, and the links to what a copy shares.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / ACTIVATE).write_text(_script(folder))
    packages = Path(sys.prefix).resolve()  # not another copy's link to them
    for name, shared in ((".venv", packages), ("data", _parts(kit) / "data"), (KIT, kit)):
        place = folder / name
        if shared.exists() and not place.exists():
            place.unlink(missing_ok=True)  # a dangling link
            place.symlink_to(shared)


def record_layout(folder: Path, sources: Mapping[str, Path]) -> None:
    """Record which modules the files have that a copy gets.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / LAYOUT).write_text(_layout(sources))


def current() -> Path:
    """Return the copy in use: the one that runs, the one around the working folder, or the usual.

    The usual one may not exist.
    """
    if (ROOT / KIT).is_symlink():
        return ROOT
    return around(Path.cwd()) or USUAL.expanduser()


def is_outdated(folder: Path) -> bool:
    """Return whether a copy was made from a kit with other modules than this one.

    It still works, because its notebooks, modules and sweeps belong together.
    """
    return not _fits(folder, files_of(source_kit()))


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


def source_kit() -> Path:
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


def _fits(folder: Path, sources: Mapping[str, Path]) -> bool:
    """Return whether a copy was made from a kit with the same modules as these files."""
    note = folder / LAYOUT
    return note.exists() and note.read_text() == _layout(sources)


def _layout(sources: Mapping[str, Path]) -> str:
    """Return a hash that is the same for kits with the same modules, whatever they contain."""
    names = sorted(name for name in sources if name.endswith(".py"))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _parts(kit: Path) -> Path:
    """Return the folder of a kit's other files, which in a wheel isn't the packages' folder."""
    installed = kit / WHEEL_PARTS.relative_to(ROOT)
    return installed if installed.is_dir() else kit


def files_of(kit: Path) -> dict[str, Path]:
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
