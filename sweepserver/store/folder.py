"""The folder of a store: whose it is, and which file system it is on."""

import fcntl
import json
from pathlib import Path
from typing import TextIO

from sweepserver.errors import StartError
from sweepserver.file_systems import file_system, is_network


def claim(folder: Path) -> TextIO:
    """Create the folder, and hold its lock until this process ends in any way.

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


def running_server(folder: Path) -> str:
    """Return where the server of a folder says it is, in words; empty if it does not say."""
    try:
        note = json.loads((folder / "server.json").read_text())
        return f" ({note['url']}, process {note['pid']})"
    except (OSError, ValueError, KeyError):
        return ""
