"""Quotas: the space of each person of a class, and of the disk.

What one person keeps must not keep others from logging, and nobody's must keep the server from
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
from dataclasses import dataclass
from pathlib import Path

from sweepserver.errors import ForbiddenError
from sweepserver.store.database import Store

DEFAULT_QUOTA_GIB = 10
LEAST_ROOM_BYTES = 2**20  # for what every run brings; of a small quota, a hundredth
RESERVE_BYTES = 64 * 2**20  # of the disk; of a small one, this part:
RESERVED_PART = 20
# Times as long as it took to count a person's artifacts, they are not recounted.
REST_FACTOR = 10
NEAR_LIMIT_BYTES = 16 * 2**20  # whoever has less left is counted before they write

ARTIFACTS = """
SELECT ifnull(sum(size), 0) FROM blobs WHERE md5 IN (
  SELECT md5 FROM blob_uses JOIN artifacts ON artifacts.id = artifact_id
  JOIN collections ON collections.id = collection_id
  JOIN projects ON projects.id = project_id WHERE entity = ?)"""


@dataclass(slots=True)
class Stored:
    """How many bytes an entity takes.

    Attributes:
        in_projects: In its projects, but for artifacts: what was logged, definitions, files.
        in_artifacts: In the files of its artifacts.
    """

    in_projects: int
    in_artifacts: int

    @property
    def total(self) -> int:
        """All together."""
        return self.in_projects + self.in_artifacts


def in_projects(store: Store, entity: str) -> int:
    """Return how many bytes an entity's projects take without artifacts; this is fast."""
    statement = "SELECT ifnull(sum(bytes), 0) FROM projects WHERE entity = ?"
    return store.execute(statement, entity).fetchone()[0]


def stored(store: Store, entity: str) -> Stored:
    """Return how many bytes an entity takes; slow if it has many artifacts."""
    return Stored(in_projects(store, entity), store.execute(ARTIFACTS, entity).fetchone()[0])


def require_reserve(folder: Path, size: int) -> None:
    """Raise an OSError (disk full) if only the database's reserve is left.

    Args:
        folder: Where it is.
        size: How many bytes are to be written now.
    """
    if is_scarce(folder, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def is_scarce(folder: Path, size: int = 0) -> bool:
    """Return whether only the database's reserve would be left after writing `size` bytes."""
    disk = shutil.disk_usage(folder)
    return disk.free - size < min(RESERVE_BYTES, disk.total // RESERVED_PART)


class Quota:
    """How many bytes people may keep.

    What a person has is counted when it is first asked for, and again before anything is refused;
    in between, what arrives is added.  What is in their projects the store knows at any time.

    Args:
        store: The store.
        entities: Whose bytes are limited.
        limit: How many bytes each of them may have.
    """

    def __init__(self, store: Store, entities: Collection[str], limit: int):
        self._store = store
        self._entities = frozenset(entities)
        self._limit = limit
        self._least = max(1, min(LEAST_ROOM_BYTES, limit // 100))
        self._guard = threading.Lock()  # of what follows; nobody in it waits for the store
        self._stored: dict[str, Stored] = {}
        self._due: dict[str, float] = {}  # when they may be counted again
        self._arriving: Counter[str] = Counter()

    def require_room(self, entity: str) -> None:
        """Raise a ForbiddenError if a person has hardly any space left."""
        self._reserve(entity, self._least)
        self._release(entity, self._least)

    def prepare(self, entity: str) -> None:
        """Count what a person has if they are near their limit; to be called before they write."""
        if entity in self._entities and not self._has_room(entity, NEAR_LIMIT_BYTES):
            self._count(entity)

    @contextmanager
    def growing(self, entity: str) -> Iterator[None]:
        """Let what is written inside, in a transaction, add to a person's projects if it fits.

        It is to be used behind `prepare`.  What does not make them larger always fits, such as a
        post that is repeated; and a little more than the limit does, so that runs can end that
        were under way, and agents are given the run whose program is then told why it cannot start.

        Raises:
            ForbiddenError: It does not fit.
        """
        if entity not in self._entities:
            yield
            return
        before = in_projects(self._store, entity)
        yield
        now = in_projects(self._store, entity)
        with self._guard:
            self._stored[entity].in_projects = now
        if now > before and not self._has_room(entity, -self._least):
            raise self._refusal(entity)

    @contextmanager
    def arrival(self, entity: str, of_artifact: bool) -> Iterator[Callable[[int], None]]:
        """Reserve room for bytes of a person while they come in; behind the block they are stored.

        Args:
            entity: Whose bytes they are.
            of_artifact: Whether they are of an artifact, not of a run's file.

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
            self._release(entity, size)
            self._add(entity, kept, of_artifact)

    def _refusal(self, entity: str) -> ForbiddenError:
        return ForbiddenError(
            f"The runs, files and artifacts of {entity} take {gib(self._stored[entity].total)} on "
            f"this server, where each person has {gib(self._limit)}: delete runs, files or "
            "artifacts that you no longer need, or ask the instructor for more room."
        )

    def _reserve(self, entity: str, size: int) -> None:
        if entity not in self._entities or self._fits(entity, size):
            return
        self._count(entity)
        if not self._fits(entity, size):
            raise self._refusal(entity)

    def _has_room(self, entity: str, size: int) -> bool:
        """Return whether a number of bytes fits into a person's quota, as far as is known."""
        stored = self._stored.get(entity)
        return stored is not None and stored.total + self._arriving[entity] + size <= self._limit

    def _fits(self, entity: str, size: int) -> bool:
        """Reserve space if there is enough; return whether there was."""
        with self._guard:
            if not self._has_room(entity, size):
                return False
            self._arriving[entity] += size
            return True

    def _release(self, entity: str, size: int) -> None:
        if entity in self._entities:
            with self._guard:
                self._arriving[entity] -= size

    def _add(self, entity: str, size: int, of_artifact: bool) -> None:
        """Count bytes that were stored."""
        if entity in self._entities:
            with self._guard:
                if of_artifact:
                    self._stored[entity].in_artifacts += size
                else:
                    self._stored[entity].in_projects += size

    def _count(self, entity: str) -> None:
        """Count what a person has; not so often that others would have to wait for it."""
        begin = time.monotonic()
        if begin < self._due.get(entity, begin):
            return
        with self._store.reading():
            found = stored(self._store, entity)
        end = time.monotonic()
        with self._guard:
            self._stored[entity] = found
            self._due[entity] = end + REST_FACTOR * (end - begin)


def gib(size: int) -> str:
    """Return a number of bytes in GiB as text."""
    return f"{size / 2**30:.3g} GiB"
