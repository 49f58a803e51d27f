"""The files of runs: their names, and where their bytes are.

A file is stored under the run's number and a hash of the file's name, so that no name that a
client thinks of can lead out of the store's folder.
"""

import base64
import hashlib
import mimetypes
import shutil
import time
import uuid
from pathlib import Path, PurePosixPath

from sweepserver.errors import NotFoundError, RequestError
from sweepserver.inputs import require_printable
from sweepserver.search.values import shorten
from sweepserver.store.database import Store
from sweepserver.store.records import File, Run

MOST_NAME_CHARACTERS = 1000


class Files:
    """The bytes of uploaded files, in the folder `files` of a store.

    Args:
        store: The store, which has a record of each file.
    """

    def __init__(self, store: Store):
        self._store = store
        self._folder = store.folder / "files"
        self._folder.mkdir(exist_ok=True)
        for unfinished in self._folder.glob("arriving-*"):
            unfinished.unlink()

    def path(self, run_id: int, name: str) -> Path:
        """Return the path of a file's contents."""
        return self._folder / str(run_id) / hashlib.sha256(name.encode()).hexdigest()

    def arriving(self) -> Path:
        """Return a new path for a file that is being received."""
        return self._folder / f"arriving-{uuid.uuid4().hex}"

    def keep(self, run: Run, name: str, arrived: Path, md5: bytes) -> None:
        """Make arrived bytes the content of a run's file, in place of what it had before.

        Args:
            run: The run.
            name: The file's name in the run.
            arrived: Where the bytes are now; the file is moved from there.
            md5: The digest of the bytes that arrived.

        Raises:
            NotFoundError: The run was deleted meanwhile.
        """
        values = {
            "size": arrived.stat().st_size,
            "md5": base64.b64encode(md5).decode(),
            "updated_at": time.time(),
        }
        path = self.path(run.id, name)
        path.parent.mkdir(exist_ok=True)
        with self._store.writing():
            if self._store.find(Run, id=run.id) is None:
                raise run_is_gone(name)
            arrived.replace(path)
            if file := self._store.find(File, run_id=run.id, name=name):
                self._store.change(file, **values)
            else:
                self._store.add(File, run_id=run.id, name=name, **values)

    def remove(self, file: File) -> None:
        """Delete the bytes of a file."""
        self.path(file.run_id, file.name).unlink(missing_ok=True)

    def remove_all(self, run: Run) -> None:
        """Delete the bytes of all files of a run."""
        shutil.rmtree(self._folder / str(run.id), ignore_errors=True)


def clean_name(name: str) -> str:
    """Return a file's name as it is stored: `./x` is `x`.

    Raises:
        RequestError: The name is empty or too long, steps out of the run's folder, or has
            control characters.
    """
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or not path.parts
        or len(name) > MOST_NAME_CHARACTERS
    ):
        raise RequestError(f"{shorten(name)} can't be the name of a run's file.")
    require_printable(name, "a name for a file of a run")
    return str(path)


def mimetype(name: str) -> str:
    """Return the media type that a file's name suggests."""
    if name.endswith((".log", ".yaml", ".yml")):
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def run_is_gone(name: str) -> NotFoundError:
    """Return the error for a file whose run was deleted."""
    return NotFoundError(f"The run of the file {shorten(name)} no longer exists.")
