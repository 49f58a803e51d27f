"""Types and collections of artifacts, and which versions are in them."""

import json
from operator import attrgetter
from typing import Any, TypeVar, final

from sweepserver.api.resolvers.artifacts.nodes import DIGEST_ALGORITHM, artifact_files, tags
from sweepserver.api.resolvers.context import Context, connection, global_id
from sweepserver.search.values import lookup
from sweepserver.store.filters import TIMES, Field, Fields, Filter
from sweepserver.store.orders import Order
from sweepserver.store.records import Alias, Artifact, Collection, Project
from sweepserver.store.versions import ArtifactType, Membership, newest, split, version_of
from sweepserver.values import timestamp

Item = TypeVar("Item", Collection, Artifact)


class CollectionFields:
    """The fields that list collections and find them by name."""

    def _scope(self) -> dict[str, Any]:
        """Return the columns that the collections have in common."""
        raise NotImplementedError

    def artifact_collection(self, context: Context, name: str) -> Collection | None:
        """Return a collection by its name."""
        return context.store.find(Collection, name=name, **self._scope())

    def artifact_collections(
        self,
        context: Context,
        after: str | None = None,
        first: int | None = None,
        filters: str | None = None,
        order: str | None = None,
    ) -> dict:
        """Return a page of the collections, the newest first."""
        return collection_page(context, self._collections(context), after, first, filters, order)

    def _collections(self, context: Context) -> list[Collection]:
        return context.store.all(Collection, "id DESC", **self._scope())


class TypeNode(CollectionFields):
    """A type of artifacts in a project, which has only a name."""

    description = None

    def __init__(self, kind: ArtifactType):
        self.id = f"ArtifactType:{kind.project_id}:{kind.name}"
        self.name = kind.name
        self._project_id = kind.project_id

    def _scope(self) -> dict[str, Any]:
        return {"project_id": self._project_id, "type": self.name}

    def created_at(self, context: Context) -> str:
        """Return when its first collection was made."""
        return timestamp(min(found.created_at for found in self._collections(context)))


@final
class CollectionNode:
    """A collection: the versions of one artifact."""

    typename = "ArtifactSequence"
    digest_algorithm = DIGEST_ALGORITHM

    def __init__(self, collection: Collection, state: str = "READY"):
        self.record = collection
        self.state = state
        self.id = global_id(collection)
        self.name = collection.name
        self.description = collection.description
        self.created_at = timestamp(collection.created_at)
        self.updated_at = timestamp(collection.updated_at)
        self.default_artifact_type = ArtifactType.of(collection)
        self.tags = {"edges": [{"node": tag} for tag in tags(collection.tags)]}

    def project(self, context: Context) -> Project:
        """Return the project that it is in."""
        return context.project_of(self.record)

    def aliases(self, context: Context, after: str | None = None, first: int | None = None) -> dict:
        """Return a page of the names that point to versions."""
        found = context.store.all(Alias, "name", collection_id=self.record.id)
        return connection(found, first, after)

    def artifacts(
        self,
        context: Context,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
        filters: str | None = None,
    ) -> dict:
        """Return a page of the versions, the newest first."""
        found = context.store.all(Artifact, "version DESC", collection_id=self.record.id)
        versions = [record for record in found if record.version is not None]
        found = chosen(context, versions, VERSION_FIELDS, filters, order)
        page = connection(found, first, after)
        for edge in page["edges"]:
            edge["version"] = f"v{edge['node'].version}"
        return page

    def artifact_membership(self, context: Context, alias_name: str) -> Membership | None:
        """Return the version that an alias points to."""
        return membership(context, self.record, alias_name)

    def latest_artifact(self, context: Context) -> Artifact | None:
        """Return the version with the highest number."""
        return newest(context.store, self.record.id)


@final
class MembershipNode:
    """A version as part of a collection."""

    def __init__(self, membership: Membership):
        self.artifact_collection, self.artifact = membership
        self.id = f"Membership:{self.artifact_collection.id}:{self.artifact.id}"
        self.version_index = self.artifact.version
        self.created_at = timestamp(self.artifact.created_at)

    def aliases(self, context: Context) -> list[Alias]:
        """Return the names that point to the version."""
        return context.store.all(Alias, "name", artifact_id=self.artifact.id)

    def files(
        self,
        context: Context,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
    ) -> dict:
        """Return a page of the version's files, all or those of some names."""
        return artifact_files(context, self.artifact, names, first, after)


def named(read: str) -> Field:
    """Return the field of an attribute of a record."""
    return Field(attrgetter(read))


COMMON = {
    "description": named("description"),
    "tag": Field(lambda record: json.loads(record.tags)),
    "created_at": Field(attrgetter("created_at"), kind=TIMES),
    "updated_at": Field(attrgetter("updated_at"), kind=TIMES),
}
COLLECTION_FIELDS = Fields(
    "Collections of artifacts",
    COMMON | {"name": named("name"), "type": named("type")},
    meant={"tags": "tag"},
)
VERSION_FIELDS = Fields(
    "Versions of an artifact",
    COMMON
    | {
        "state": Field(lambda record: "COMMITTED"),
        "version_index": named("version"),
        "version": Field(lambda record: f"v{record.version}"),
        "digest": named("digest"),
        "size": named("size"),
        "metadata": Field(lambda record: json.loads(record.metadata or "{}")),
    },
    {
        "metadata": lambda path: Field(
            lambda record: lookup(json.loads(record.metadata or "{}"), path)
        )
    },
    {"tags": "tag"},
)


class ProjectArtifactFields(CollectionFields):
    """The fields of a project that list artifacts and find them by name."""

    record: Project

    def _scope(self) -> dict[str, Any]:
        return {"project_id": self.record.id}

    def artifact(self, context: Context, name: str) -> Artifact | None:
        """Return a version by a name such as `data:v3` or `data:best`."""
        found = self.artifact_collection_membership(context, name)
        return found and found.artifact

    def artifact_type(self, context: Context, name: str) -> ArtifactType | None:
        """Return a type, if the project has artifacts of it."""
        found = context.store.find(Collection, project_id=self.record.id, type=name)
        return found and ArtifactType.of(found)

    def artifact_types(
        self, context: Context, after: str | None = None, first: int | None = None
    ) -> dict:
        """Return a page of the types, by name."""
        names = sorted({found.type for found in self._collections(context)})
        return connection([ArtifactType(self.record.id, name) for name in names], first, after)

    def artifact_collection_membership(self, context: Context, name: str) -> Membership | None:
        """Return a version by a name such as `data:v3` or `data:best`."""
        name, alias = split(name)
        found = self.artifact_collection(context, name)
        return found and membership(context, found, alias)


def membership(context: Context, collection: Collection, alias: str) -> Membership | None:
    """Return the version of a collection that an alias points to."""
    found = version_of(context.store, collection, alias)
    return found and Membership(collection, found)


def collection_page(
    context: Context,
    found: list[Collection],
    after: str | None,
    first: int | None,
    filters: str | None,
    order: str | None,
) -> dict:
    """Return a page of those collections that pass the filters."""
    passed = chosen(context, found, COLLECTION_FIELDS, filters, order)
    return connection(passed, first, after)


def chosen(
    context: Context,
    found: list[Item],
    fields: Fields,
    filters: str | None,
    order: str | None,
) -> list[Item]:
    """Return the records that pass the filters, JSON in MongoDB's language, in an order."""
    wanted = Filter(filters, fields)
    return Order(order, fields).sort(wanted.select(context.allowance.in_time(found)))


def artifact_collection(context: Context, id: str) -> Collection | None:
    """Return a collection by its ID."""
    return context.with_global_id(Collection, id)


QUERY = {"artifact_collection": artifact_collection}
