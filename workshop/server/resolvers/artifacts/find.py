"""How versions of artifacts are named, and found by these names."""

import re

from workshop.server.records import Alias, Artifact, Collection
from workshop.server.resolvers.context import Context

LATEST = "latest"
VERSION = re.compile(r"v(\d{1,18})")


def split(name: str) -> tuple[str, str]:
    """Return the collection and the alias of a name such as `data:v3`; `data` is `data:latest`."""
    collection, _, alias = name.partition(":")
    return collection, alias or LATEST


def version_of(context: Context, collection: Collection, alias: str) -> Artifact | None:
    """Return the version that an alias, or a number such as `v3`, points to."""
    if match := VERSION.fullmatch(alias):
        return context.store.find(Artifact, collection_id=collection.id, version=int(match[1]))
    found = context.store.find(Alias, collection_id=collection.id, name=alias)
    return found and context.store.find(Artifact, id=found.artifact_id)


def newest(context: Context, collection_id: int) -> Artifact | None:
    """Return the version of a collection with the highest number."""
    row = context.store.execute(
        "SELECT * FROM artifacts WHERE collection_id = ? AND version IS NOT NULL "
        "ORDER BY version DESC LIMIT 1",
        collection_id,
    ).fetchone()
    return row and Artifact(**dict(row))


def collection_of(context: Context, record: Artifact | Alias) -> Collection:
    """Return the collection that a version or an alias belongs to."""
    return context.store.find(Collection, id=record.collection_id)
