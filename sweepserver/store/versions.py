"""Versions of artifacts: finding them by name, and the runs that made and used them."""

import re
from typing import NamedTuple

from sweepserver.store.database import Store
from sweepserver.store.records import Alias, Artifact, Collection, Run

LATEST = "latest"
VERSION = re.compile(r"v(\d{1,18})")


class ArtifactType(NamedTuple):
    """A type of artifacts in a project: the collections that name it."""

    project_id: int
    name: str

    @classmethod
    def of(cls, collection: Collection) -> "ArtifactType":
        """Return the type of a collection."""
        return cls(collection.project_id, collection.type)


class Membership(NamedTuple):
    """A version as part of a collection."""

    collection: Collection
    artifact: Artifact


def split(name: str) -> tuple[str, str]:
    """Return the collection and the alias of a name such as `data:v3`; `data` is `data:latest`."""
    collection, _, alias = name.partition(":")
    return collection, alias or LATEST


def version_of(store: Store, collection: Collection, alias: str) -> Artifact | None:
    """Return the version that an alias, or a number such as `v3`, points to; None if none does."""
    if match := VERSION.fullmatch(alias):
        return store.find(Artifact, collection_id=collection.id, version=int(match[1]))
    found = store.find(Alias, collection_id=collection.id, name=alias)
    return found and store.find(Artifact, id=found.artifact_id)


def newest(store: Store, collection_id: int) -> Artifact | None:
    """Return the version of a collection with the highest number."""
    row = store.execute(
        "SELECT * FROM artifacts WHERE collection_id = ? AND version IS NOT NULL "
        "ORDER BY version DESC LIMIT 1",
        collection_id,
    ).fetchone()
    return row and Artifact(**dict(row))


def collection_of(store: Store, record: Artifact | Alias) -> Collection:
    """Return the collection that a version or an alias belongs to."""
    return store.get(Collection, record.collection_id)


def of_run(store: Store, run: Run, direction: str) -> list[Artifact]:
    """Return the versions that a run logged ("output") or used ("input"), the first one first."""
    rows = store.execute(
        "SELECT artifacts.* FROM lineage JOIN artifacts ON artifacts.id = artifact_id "
        "WHERE lineage.run_id = ? AND direction = ? AND version IS NOT NULL ORDER BY artifact_id",
        run.id,
        direction,
    )
    return [Artifact(**dict(row)) for row in rows]


def runs_of(store: Store, artifact: Artifact, direction: str) -> list[Run]:
    """Return the runs that logged a version ("output") or used it ("input"), the oldest first."""
    rows = store.execute(
        "SELECT runs.* FROM lineage JOIN runs ON runs.id = run_id "
        "WHERE artifact_id = ? AND direction = ? ORDER BY run_id",
        artifact.id,
        direction,
    )
    return [Run(**dict(row)) for row in rows]
