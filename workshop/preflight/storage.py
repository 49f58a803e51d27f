"""Check the folders for temporary files, checkpoints and the client's copies."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from sweepserver.file_systems import file_system, is_network
from workshop.paths import home, shown
from workshop.preflight.finding import Finding

# Checkpoints, the store of the server and the client's files of a sweep at class scale.
NEEDED_DISK_GIB = 5
# A checkpoint of ResNet-50 with its optimizer, and the one that replaces it.
CHECKPOINTS_MIB = 540

# The client's folders; by default they are in the kit's own folder.
_FOLDERS = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")


def findings() -> Iterator[Finding]:
    """Check that each folder can be written, and that each disk has enough space."""
    yield _temporary()
    disks: dict[int, str] = {}
    for name, folder in _places():
        check, existing = f"folder of {name}", _nearest(folder)
        if reason := refusal(folder):
            yield Finding(
                check, f"no file can be created in {shown(existing)} ({reason})", "problem",
                f"set {name} to a folder of yours",
            )  # fmt: skip
            continue
        first = disks.setdefault(existing.stat().st_dev, name)
        if first == name:
            yield _room(check, name, folder)
        else:
            yield Finding(check, f"{shown(folder)}, on the disk of {first}")


def refusal(folder: Path) -> str:
    """Return why no file can be created in a folder; empty if one can.

    If the folder doesn't exist, its nearest existing parent counts.  A file is really created,
    because permissions don't show what access lists, quotas and file servers forbid.
    """
    try:
        tempfile.TemporaryFile(dir=_nearest(folder)).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _nearest(folder: Path) -> Path:
    """Return a folder, or its nearest existing parent."""
    return next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))


def _places() -> Iterator[tuple[str, Path]]:
    yield "WORKSHOP_HOME", home()
    for variable in _FOLDERS:
        if folder := os.environ.get(variable):
            yield variable, Path(folder).expanduser().absolute()


def _temporary() -> Finding:
    wanted, folder = os.environ.get("TMPDIR"), Path(tempfile.gettempdir())
    if wanted and (refusal(Path(wanted)) or not Path(wanted).is_dir()):
        return Finding(
            "TMPDIR", f"{wanted} is not a writable folder, so Python uses {folder}",
            "note", f"create that folder, or export TMPDIR={quote(str(folder))}",
        )  # fmt: skip
    folder = Path(wanted or folder)
    kind = file_system(folder)
    if is_network(kind):
        return Finding(
            "TMPDIR", f"{folder} is on a network file system ({kind}), which slows the client down",
            "note", "export TMPDIR=/tmp, or another folder on this machine's own disk",
        )  # fmt: skip
    return Finding("TMPDIR", f"{folder} ({kind})")


def _room(check: str, name: str, folder: Path) -> Finding:
    """Check that there is enough free space, and that a quota lets this user have it."""
    advice, existing = f"set {name} to a folder with more space", _nearest(folder)
    free = shutil.disk_usage(existing).free / 2**30
    if free < NEEDED_DISK_GIB:
        return Finding(
            check, f"{free:.1f} GiB free in {shown(folder)}", "problem",
            f"free {NEEDED_DISK_GIB} GiB, or {advice}",
        )  # fmt: skip
    try:
        # A file system's free space doesn't include quotas.
        with tempfile.TemporaryFile(dir=existing) as file:
            os.posix_fallocate(file.fileno(), 0, CHECKPOINTS_MIB << 20)
    except OSError as error:
        if error.errno in (errno.EDQUOT, errno.ENOSPC, errno.EFBIG):
            return Finding(
                check,
                f"{shown(folder)}: {CHECKPOINTS_MIB} MiB are more than you may write "
                f"({error.strerror})",
                "problem", f"`quota` shows what you have left; free some, or {advice}",
            )  # fmt: skip
        return Finding(
            check, f"{shown(folder)}: space can't be reserved as a test ({error.strerror})", "note",
            "check your quota with `quota` or the disk's own command",
        )  # fmt: skip
    return Finding(
        check,
        f"{shown(folder)}: {NEEDED_DISK_GIB} GiB or more free, "
        f"{CHECKPOINTS_MIB} MiB can be written",
    )
