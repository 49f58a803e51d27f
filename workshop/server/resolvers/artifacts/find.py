"""How artifacts and their collections are named, and found by these names.

The API's ID of an artifact is in base64, because the client turns it into hexadecimal and back
where one artifact refers to another (`wandb-artifact://HEX/file`).
"""

import base64
import binascii
import re

from workshop.server.errors import NotFoundError
from workshop.server.records import Alias, Artifact, Collection, Manifest, Project
from workshop.server.resolvers.context import Context, global_id
from workshop.server.values import shorten

LATEST = "latest"
VERSION = re.compile(r"v(\d{1,18})")


def artifact_id(record: Artifact | Collection | Manifest | Alias) -> str:
    """Return the ID by which the API names an artifact, or something that belongs to it."""
    return base64.b64encode(global_id(record).encode()).decode()


def by_artifact_id(
    context: Context, kind: type[Artifact | Collection | Manifest], text: str
) -> Artifact | Collection | Manifest | None:
    """Return what an ID names."""
    try:
        prefix, _, number = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    known = prefix == kind.__name__ and number.isdecimal() and len(number) < 19
    return context.store.find(kind, id=int(number)) if known else None


def to_change(
    context: Context, kind: type[Artifact | Collection | Manifest], text: str
) -> Artifact | Collection | Manifest:
    """Return what an ID names, if the user may write it.

    Raises:
        RequestError: There is no such thing, or it belongs to someone else.
    """
    record = by_artifact_id(context, kind, text)
    if record is None:
        raise NotFoundError(f"There is no {kind.__name__.lower()} with the ID {shorten(text)}.")
    context.require_owner(project_of(context, record).entity)
    return record


def collection_of(context: Context, record: Artifact | Alias) -> Collection:
    """Return the collection that a version or an alias belongs to."""
    return context.store.find(Collection, id=record.collection_id)


def project_of(context: Context, record: Artifact | Collection | Manifest) -> Project:
    """Return the project of an artifact, or of what belongs to it."""
    if isinstance(record, Manifest):
        record = context.store.find(Artifact, id=record.artifact_id)
    if isinstance(record, Artifact):
        record = collection_of(context, record)
    return context.store.find(Project, id=record.project_id)


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
