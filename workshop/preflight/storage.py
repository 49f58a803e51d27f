"""Where temporary files, checkpoints and the client's copies go, and whether the data are there."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workshop.config import TrainingConfig
from workshop.data import missing
from workshop.paths import home, shown
from workshop.preflight.finding import Finding
from workshop.server.store import file_system, is_network

# Checkpoints, the store of the server and the client's files of a sweep at class scale.
NEEDED_GIB = 5
# A checkpoint of ResNet-50 with its optimizer, and the one that replaces it.
RESERVED_MIB = 540

# Where wandb and torch write; without the variable below the kit's own folder or the home folder.
_FOLDERS = {
    "WANDB_DIR": None,
    "WANDB_CACHE_DIR": None,
    "WANDB_DATA_DIR": None,
    "TORCH_HOME": "~/.cache/torch",
}


def findings(config: TrainingConfig) -> Iterator[Finding]:
    """Look at folders and data."""
    yield _temporary()
    seen = set()
    for name, folder in _places():
        existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if (device := existing.stat().st_dev) not in seen:
            seen.add(device)
            yield _room(name, existing)
    yield _data(config)


def _places() -> Iterator[tuple[str, Path]]:
    yield "WORKSHOP_HOME", home()
    for variable, default in _FOLDERS.items():
        if folder := os.environ.get(variable, default):
            yield variable, Path(folder).expanduser().absolute()


def _temporary() -> Finding:
    folder = Path(tempfile.gettempdir())
    kind = file_system(folder)
    if is_network(kind):
        return Finding(
            "TMPDIR", f"{folder} is on a network file system ({kind}), which slows the client down",
            "note", "export TMPDIR=/tmp, or another folder on this machine's own disk",
        )  # fmt: skip
    return Finding("TMPDIR", f"{folder} ({kind})")


def _room(name: str, folder: Path) -> Finding:
    """Look whether there is room, and whether a quota lets this user have it."""
    check, advice = f"disk of {name}", f"set {name} to a folder with more room"
    if not os.access(folder, os.W_OK):
        return Finding(
            check, f"{shown(folder)} is not writable", "problem", f"set {name} to a folder of yours"
        )
    free = shutil.disk_usage(folder).free / 2**30
    if free < NEEDED_GIB:
        return Finding(
            check, f"{free:.1f} GiB free in {shown(folder)}", "problem",
            f"free {NEEDED_GIB} GiB, or {advice}",
        )  # fmt: skip
    try:
        # A quota is not in what the file system says is free.
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, RESERVED_MIB << 20)
    except OSError as error:
        if error.errno in (errno.EDQUOT, errno.ENOSPC, errno.EFBIG):
            return Finding(
                check, f"{RESERVED_MIB} MiB are more than you may write ({error.strerror})",
                "problem", f"`quota` shows what you have left; free some, or {advice}",
            )  # fmt: skip
        return Finding(check, f"cannot be tried ({error.strerror})", "note")
    return Finding(check, f"{NEEDED_GIB} GiB or more free, and {RESERVED_MIB} MiB can be written")


def _data(config: TrainingConfig) -> Finding:
    if problem := missing(config):
        return Finding(f"data ({config.dataset})", "not there", "problem", problem)
    return Finding(f"data ({config.dataset})", "there")
