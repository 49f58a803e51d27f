"""The bytes of artifacts.

Contents are known by their MD5, as in the client's manifests, and stored under it: each is kept
once, whatever files of whatever artifacts have it.  What arrives must have the MD5 that was
announced.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from sweepserver.errors import NotFoundError
from sweepserver.store.database import Store

SECONDS_TO_ARRIVE = 7 * 86400  # for all of an artifact
REMOVED_AT_ONCE = 500


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
        end = time.time() - SECONDS_TO_ARRIVE
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
        """Return where the bytes with an MD5, in hexadecimal, lie."""
        return self._folder / md5[:2] / md5

    def has(self, md5: str) -> bool:
        """Tell whether bytes have arrived."""
        return self._store.execute("SELECT 1 FROM blobs WHERE md5 = ?", md5).fetchone() is not None

    def need(self, artifact_id: int, md5s: Iterable[str]) -> None:
        """Note that an artifact needs bytes, which are kept as long as it does."""
        self._store.execute_many(
            "INSERT OR IGNORE INTO blob_uses (artifact_id, md5) VALUES (?, ?)",
            [(artifact_id, md5) for md5 in md5s],
        )

    def needed_by(self, artifact_id: int) -> list[str]:
        """Return the MD5 of all bytes that an artifact needs."""
        rows = self._store.execute("SELECT md5 FROM blob_uses WHERE artifact_id = ?", artifact_id)
        return [md5 for (md5,) in rows]

    def keep(self, md5: str, arrived: Path) -> None:
        """Keep arrived bytes, if an artifact needs them."""
        with self._store.writing():
            if not self._is_needed(md5):
                raise NotFoundError("The artifact of this file does not exist any more.")
            self._put(md5, arrived)

    def add(self, artifact_id: int, content: bytes, draft: Path) -> str:
        """Keep bytes of this server's own making for an artifact, and return their MD5.

        Args:
            artifact_id: The artifact.
            content: The bytes.
            draft: Where to write them first.
        """
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        draft.write_bytes(content)
        self.need(artifact_id, [md5])
        self._put(md5, draft)
        return md5

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
    return (md5s[i : i + REMOVED_AT_ONCE] for i in range(0, len(md5s), REMOVED_AT_ONCE))
