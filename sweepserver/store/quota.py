"""How much room there is for files: for each person of a class, and on the disk.

One person's files must not keep others from logging, and nobody's must keep the server from
starting: so each person of a class has a quota, and a part of the disk is left to the database.
"""

import errno
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sweepserver.errors import ForbiddenError
from sweepserver.store.database import Store

DEFAULT_QUOTA_GIB = 10
LEAST_ROOM = 2**20  # bytes, for what every run brings; of a small quota, a hundredth
RESERVE = 64 * 2**20  # bytes of the disk; of a small one, this part:
RESERVED_PART = 20
REST = 10  # times as long as it took to count a person's files, they are not counted again

FILES = """
SELECT ifnull(sum(size), 0) FROM files JOIN runs ON runs.id = run_id
JOIN projects ON projects.id = project_id WHERE entity = ?"""
ARTIFACTS = """
SELECT ifnull(sum(size), 0) FROM blobs WHERE md5 IN (
  SELECT md5 FROM blob_uses JOIN artifacts ON artifacts.id = artifact_id
  JOIN collections ON collections.id = collection_id
  JOIN projects ON projects.id = project_id WHERE entity = ?)"""


def stored_bytes(store: Store, entity: str) -> int:
    """Return how many bytes the files and artifacts of an entity have."""
    return sum(store.execute(query, entity).fetchone()[0] for query in (FILES, ARTIFACTS))


def require_reserve(folder: Path, size: int) -> None:
    """Raise an OSError that the disk is full, as soon as what is left of it is the database's.

    Args:
        folder: Where it is.
        size: How many bytes are to be written now.
    """
    if is_scarce(folder, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def is_scarce(folder: Path, size: int = 0) -> bool:
    """Tell whether no more is left of a disk, `size` bytes less, than is kept for the database."""
    disk = shutil.disk_usage(folder)
    return disk.free - size < min(RESERVE, disk.total // RESERVED_PART)


class Quota:
    """How many bytes people may keep.

    What a person has is counted when it is first asked for, and again before anything is refused;
    in between, what arrives is added.

    Args:
        store: The store.
        entities: Whose bytes are limited.
        limit: How many bytes each of them may have.
    """

    def __init__(self, store: Store, entities: Collection[str], limit: int):
        self._store = store
        self._entities = frozenset(entities)
        self._limit = limit
        self._least = max(1, min(LEAST_ROOM, limit // 100))
        self._guard = threading.Lock()  # of what follows; nobody in it waits for the store
        self._stored: dict[str, int] = {}
        self._due: dict[str, float] = {}  # when they may be counted again
        self._arriving: Counter[str] = Counter()

    def require_room(self, entity: str) -> None:
        """Raise a ForbiddenError if a person has hardly any room left."""
        self._reserve(entity, self._least)
        self._release(entity, self._least)

    @contextmanager
    def arrival(self, entity: str) -> Iterator[Callable[[int], None]]:
        """Reserve room for bytes of a person while they come in; behind the block they are stored.

        It gives a function that is to be called with the number of bytes that have come, before
        they are written, and that raises a ForbiddenError if there is no room for them.
        """
        size = 0

        def arrive(more: int) -> None:
            nonlocal size
            self._reserve(entity, more)
            size += more

        kept = 0
        try:
            yield arrive
            kept = size
        finally:
            self._release(entity, size, kept)

    def _reserve(self, entity: str, size: int) -> None:
        if entity not in self._entities or self._fits(entity, size):
            return
        self._count(entity)
        if not self._fits(entity, size):
            raise ForbiddenError(
                f"The files and artifacts of {entity} take {gib(self._stored[entity])} on this "
                f"server, where each person has {gib(self._limit)}: delete runs, files or "
                "artifacts that are not needed any more, or ask the instructor for more room."
            )

    def _fits(self, entity: str, size: int) -> bool:
        """Reserve room if there is some; tell whether there is."""
        with self._guard:
            stored = self._stored.get(entity, self._limit)
            if stored + self._arriving[entity] + size > self._limit:
                return False
            self._arriving[entity] += size
            return True

    def _release(self, entity: str, size: int, kept: int = 0) -> None:
        if entity in self._entities:
            with self._guard:
                self._arriving[entity] -= size
                self._stored[entity] += kept

    def _count(self, entity: str) -> None:
        """Count what a person has; not so often that others would have to wait for it."""
        begin = time.monotonic()
        if begin < self._due.get(entity, begin):
            return
        with self._store.reading():
            stored = stored_bytes(self._store, entity)
        end = time.monotonic()
        with self._guard:
            self._stored[entity] = stored
            self._due[entity] = end + REST * (end - begin)


def gib(size: int) -> str:
    """Return a number of bytes in words."""
    return f"{size / 2**30:.3g} GiB"
