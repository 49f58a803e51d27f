"""The bytes of artifacts.

Contents are known by their MD5, as in the client's manifests, and stored under it: each is kept
once, whatever files of whatever artifacts have it.  What arrives must have the MD5 that was
announced.
"""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from sweepserver.errors import NotFoundError
from sweepserver.store.database import Store

LONGEST_ARRIVAL_S = 7 * 86400  # for all of an artifact
MD5S_AT_ONCE = 500  # in one transaction, so that others come in between


class Blobs:
    """The bytes of artifacts, in the folder `artifacts` of a store.

    Args:
        store: The store, which knows what has arrived and which artifact needs it.
    """

    def __init__(self, store: Store):
        self._store = store
        self._folder = store.folder / "artifacts"
        self._folder.mkdir(exist_ok=True)
        self._forget_unfinished()

    def _forget_unfinished(self) -> None:
        """Delete artifacts whose clients have been gone for long before everything arrived."""
        end = time.time() - LONGEST_ARRIVAL_S
        with self._store.writing():
            rows = self._store.execute(
                "SELECT DISTINCT md5 FROM blob_uses JOIN artifacts ON artifacts.id = artifact_id "
                "WHERE version IS NULL AND created_at < ?",
                end,
            )
            md5s = [md5 for (md5,) in rows]
            self._store.execute(
                "DELETE FROM artifacts WHERE version IS NULL AND created_at < ?", end
            )
        self.remove_unneeded(md5s)

    def path(self, md5: str) -> Path:
        """Return the path of the contents with an MD5, in hexadecimal."""
        return self._folder / md5[:2] / md5

    def has(self, md5: str) -> bool:
        """Return whether bytes have arrived."""
        return self._store.execute("SELECT 1 FROM blobs WHERE md5 = ?", md5).fetchone() is not None

    def missing(self, md5s: Iterable[str]) -> set[str]:
        """Return those of many MD5 whose bytes have not arrived."""
        rows = self._store.execute(
            "SELECT value FROM json_each(?) "
            "WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE md5 = value)",
            json.dumps(list(md5s)),
        )
        return {md5 for (md5,) in rows}

    def need(self, artifact_id: int, md5s: Iterable[str]) -> None:
        """Note that an artifact, if it is still there, needs bytes: they are kept as it is."""
        self._store.execute_many(
            "INSERT OR IGNORE INTO blob_uses (artifact_id, md5) "
            "SELECT id, ? FROM artifacts WHERE id = ?",
            [(md5, artifact_id) for md5 in md5s],
        )

    def need_in_parts(self, artifact_id: int, md5s: Iterable[str]) -> None:
        """Note that an artifact needs many bytes, in several transactions."""
        for some in parts_of(list(md5s)):
            with self._store.writing():
                self.need(artifact_id, some)

    def needed_by(self, artifact_id: int) -> list[str]:
        """Return the MD5 of all bytes that an artifact needs."""
        rows = self._store.execute("SELECT md5 FROM blob_uses WHERE artifact_id = ?", artifact_id)
        return [md5 for (md5,) in rows]

    def keep(self, md5: str, arrived: Path) -> None:
        """Keep arrived bytes, if an artifact needs them.

        Args:
            md5: Their digest in hexadecimal, which has been checked.
            arrived: Where they are now; the file is moved from there.

        Raises:
            NotFoundError: No artifact needs them any more.
        """
        with self._store.writing():
            if not self._is_needed(md5):
                raise NotFoundError("The artifact of this file no longer exists.")
            self._put(md5, arrived)

    def remove_unneeded(self, md5s: list[str]) -> None:
        """Delete those bytes that no artifact needs any more."""
        for some in parts_of(md5s):
            with self._store.writing():
                for md5 in some:
                    if not self._is_needed(md5):
                        self._store.execute("DELETE FROM blobs WHERE md5 = ?", md5)
            with self._store.writing():  # so nobody can bring the same bytes meanwhile
                for md5 in some:
                    if not self.has(md5):
                        self.path(md5).unlink(missing_ok=True)

    def _is_needed(self, md5: str) -> bool:
        found = self._store.execute("SELECT 1 FROM blob_uses WHERE md5 = ? LIMIT 1", md5)
        return found.fetchone() is not None

    def _put(self, md5: str, arrived: Path) -> None:
        size = arrived.stat().st_size
        self.path(md5).parent.mkdir(exist_ok=True)
        arrived.replace(self.path(md5))
        self._store.execute("INSERT OR IGNORE INTO blobs (md5, size) VALUES (?, ?)", md5, size)


def parts_of(md5s: list[str]) -> Iterator[list[str]]:
    """Yield some at a time, so that others come in between."""
    return (md5s[i : i + MD5S_AT_ONCE] for i in range(0, len(md5s), MD5S_AT_ONCE))
