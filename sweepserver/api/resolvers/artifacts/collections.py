"""Types and collections of artifacts, and which versions are in them."""

import json
from functools import partial
from operator import attrgetter

from sweepserver.api.resolvers import projects
from sweepserver.api.resolvers.artifacts import nodes
from sweepserver.api.resolvers.context import Context, connection, global_id
from sweepserver.search.values import lookup
from sweepserver.store.filters import TIMES, Field, Fields, Filter, Order
from sweepserver.store.records import Alias, Artifact, Collection, Project
from sweepserver.store.versions import newest, split, version_of
from sweepserver.values import timestamp


class TypeNode:
    """A type of artifacts in a project: there is nothing to it but its name."""

    description = None

    def __init__(self, project_id: int, name: str):
        self.id = f"ArtifactType:{project_id}:{name}"
        self.name = name
        self._project_id = project_id

    def created_at(self, context: Context) -> str:
        """Return when its first collection was made."""
        return timestamp(min(found.created_at for found in self._collections(context)))

    def artifact_collection(self, context: Context, name: str) -> "CollectionNode | None":
        """Return a collection of this type."""
        found = context.store.find(
            Collection, project_id=self._project_id, type=self.name, name=name
        )
        return found and CollectionNode(found)

    def artifact_collections(
        self,
        context: Context,
        after: str | None = None,
        first: int | None = None,
        filters: str | None = None,
        order: str | None = None,
    ) -> dict:
        """Return a page of the collections of this type, the newest first."""
        return collection_page(context, self._collections(context), after, first, filters, order)

    def _collections(self, context: Context) -> list[Collection]:
        return context.store.all(Collection, "id DESC", project_id=self._project_id, type=self.name)


class CollectionNode:
    """A collection: the versions of one artifact."""

    typename = "ArtifactSequence"
    state = "READY"
    digest_algorithm = nodes.DIGEST_ALGORITHM

    def __init__(self, collection: Collection):
        self.record = collection
        self.id = global_id(collection)
        self.name = collection.name
        self.description = collection.description
        self.created_at = timestamp(collection.created_at)
        self.updated_at = timestamp(collection.updated_at)
        self.default_artifact_type = TypeNode(collection.project_id, collection.type)
        self.tags = {"edges": [{"node": tag} for tag in nodes.tags(collection.tags)]}

    def project(self, context: Context) -> "projects.ProjectNode":
        """Return the project that it is in."""
        return projects.ProjectNode(context.project_of(self.record))

    def aliases(self, context: Context, after: str | None = None, first: int | None = None) -> dict:
        """Return a page of the names that point to versions."""
        found = context.store.all(Alias, "name", collection_id=self.record.id)
        return connection(found, nodes.AliasNode, first, after)

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
        page = connection(found, nodes.ArtifactNode, first, after)
        for edge in page["edges"]:
            edge["version"] = f"v{edge['node'].version_index}"
        return page

    def artifact_membership(self, context: Context, alias_name: str) -> "MembershipNode | None":
        """Return the version that an alias points to."""
        found = version_of(context.store, self.record, alias_name)
        return found and MembershipNode(self.record, found)

    def latest_artifact(self, context: Context) -> "nodes.ArtifactNode | None":
        """Return the version with the highest number."""
        found = newest(context.store, self.record.id)
        return found and nodes.ArtifactNode(found)


class MembershipNode:
    """A version as part of a collection."""

    def __init__(self, collection: Collection, artifact: Artifact):
        self.artifact = nodes.ArtifactNode(artifact)
        self.artifact_collection = CollectionNode(collection)
        self.id = f"Membership:{collection.id}:{artifact.id}"
        self.version_index = artifact.version
        self.created_at = self.artifact.created_at

    def aliases(self, context: Context) -> list["nodes.AliasNode"]:
        """Return the names that point to the version."""
        return self.artifact.aliases(context)

    def files(
        self,
        context: Context,
        names: list[str] | None = None,
        after: str | None = None,
        first: int | None = None,
    ) -> dict:
        """Return a page of the version's files, all or those of some names."""
        return nodes.artifact_files(context, self.artifact.record, names, first, after)


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


class ProjectArtifactFields:
    """The fields of a project that list artifacts and find them by name."""

    record: Project

    def artifact(self, context: Context, name: str) -> "nodes.ArtifactNode | None":
        """Return a version by a name such as `data:v3` or `data:best`."""
        membership = self.artifact_collection_membership(context, name)
        return membership and membership.artifact

    def artifact_type(self, context: Context, name: str) -> TypeNode | None:
        """Return a type, if there is anything of it."""
        found = context.store.find(Collection, project_id=self.record.id, type=name)
        return found and TypeNode(self.record.id, name)

    def artifact_types(
        self, context: Context, after: str | None = None, first: int | None = None
    ) -> dict:
        """Return a page of the types, by name."""
        names = sorted({found.type for found in self._collections(context)})
        return connection(names, partial(TypeNode, self.record.id), first, after)

    def artifact_collection(self, context: Context, name: str) -> CollectionNode | None:
        """Return a collection by its name."""
        found = context.store.find(Collection, project_id=self.record.id, name=name)
        return found and CollectionNode(found)

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

    def artifact_collection_membership(self, context: Context, name: str) -> MembershipNode | None:
        """Return a version by a name such as `data:v3` or `data:best`."""
        name, alias = split(name)
        found = self.artifact_collection(context, name)
        return found and found.artifact_membership(context, alias)

    def _collections(self, context: Context) -> list[Collection]:
        return context.store.all(Collection, "id DESC", project_id=self.record.id)


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
    return connection(passed, CollectionNode, first, after)


def chosen(
    context: Context,
    found: list[Collection | Artifact],
    fields: Fields,
    filters: str | None,
    order: str | None,
) -> list:
    """Return the records that pass the filters, JSON in MongoDB's language, in an order."""
    wanted = Filter(filters, fields)
    return Order(order, fields).sort(wanted.select(context.allowance.in_time(found)))


def artifact_collection(context: Context, id: str) -> CollectionNode | None:
    """Return a collection by its ID."""
    found = context.with_global_id(Collection, id)
    return found and CollectionNode(found)


QUERY = {"artifact_collection": artifact_collection}
