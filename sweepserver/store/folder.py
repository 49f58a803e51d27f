"""The folder of a store: whose it is, and which file system it is on."""

import fcntl
import json
from pathlib import Path
from typing import TextIO

from sweepserver.errors import StartError

NETWORK_FILE_SYSTEMS = (
    "nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "afs", "cifs", "smb3", "9p", "virtiofs",
    "fuse",
)  # fmt: skip


def claim(folder: Path) -> TextIO:
    """Make the folder and hold its lock until this process ends, however it ends.

    Returns:
        The file that holds the lock as long as it is open.

    Raises:
        StartError: The folder cannot be written, or another server uses it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / "server.lock").open("w")
    except OSError as error:
        raise StartError(
            f"The store folder {folder} cannot be written ({error.strerror}); "
            "choose another one: --store FOLDER."
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StartError(
            f"The store folder {folder} is in use by another server"
            f"{running_server(folder)}; stop that one first or choose another folder: "
            "--store FOLDER."
        ) from error
    except OSError as error:
        raise StartError(
            f"The file system of {folder} has no file locks ({error.strerror}), which "
            "the database needs; choose a folder elsewhere: --store FOLDER."
        ) from error
    return file


def journal_mode(folder: Path) -> str:
    """Return SQLite's journal mode for the file system of a folder: WAL, or DELETE on a network."""
    return "DELETE" if is_network(file_system(folder)) else "WAL"


def is_network(kind: str) -> bool:
    """Tell whether a type of file system is one that several machines share."""
    return kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse.")


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that a folder is on; empty where that is not told."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    folder = folder.resolve()
    found = {}
    for line in lines:
        _, point, kind, *_ = line.split()
        point = Path(point.encode().decode("unicode_escape"))
        if folder.is_relative_to(point):
            found[len(point.parts)] = kind
    return found[max(found)] if found else ""


def running_server(folder: Path) -> str:
    """Return where the server of a folder says it is, in words; empty if it does not say."""
    try:
        note = json.loads((folder / "server.json").read_text())
        return f" ({note['url']}, process {note['pid']})"
    except (OSError, ValueError, KeyError):
        return ""
