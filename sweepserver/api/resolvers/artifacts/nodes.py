"""Versions of artifacts, and their files."""

import hashlib
import json

from sweepserver.api.artifact_routes import blob_path
from sweepserver.api.resolvers.context import Context, connection, global_id
from sweepserver.api.resolvers.files import file_to_come
from sweepserver.store import manifests, versions
from sweepserver.store.files import mimetype
from sweepserver.store.records import Alias, Artifact, Collection, Run, User
from sweepserver.store.versions import ArtifactType, Membership
from sweepserver.values import timestamp

INHERITED = -1
NO_LIMIT = -2
DIGEST_ALGORITHM = "MANIFEST_MD5"


class ArtifactNode:
    """A version of an artifact, or one that is still arriving."""

    digest_algorithm = DIGEST_ALGORITHM

    def __init__(self, artifact: Artifact):
        self.record = artifact
        self.id = global_id(artifact)
        self.version_index = artifact.version
        self.state = "PENDING" if artifact.version is None else "COMMITTED"
        self.commit_hash = None if artifact.version is None else commit_hash(artifact)
        self.digest = artifact.digest
        self.description = artifact.description
        self.metadata = artifact.metadata
        self.tags = tags(artifact.tags)
        self.history_step = artifact.history_step
        self.ttl_is_inherited = artifact.ttl_seconds in (None, INHERITED)
        self.ttl_duration_seconds = NO_LIMIT if self.ttl_is_inherited else artifact.ttl_seconds
        self.size = artifact.size
        self.file_count = artifact.file_count
        self.created_at = timestamp(artifact.created_at)
        self.updated_at = timestamp(artifact.updated_at)

    def artifact_sequence(self, context: Context) -> Collection:
        """Return the collection of which this is a version."""
        return versions.collection_of(context.store, self.record)

    def artifact_type(self, context: Context) -> ArtifactType:
        """Return its type."""
        return ArtifactType.of(self.artifact_sequence(context))

    def artifact_memberships(self, context: Context) -> dict:
        """Return in which collections it is: the one that it was logged to."""
        return connection([Membership(self.artifact_sequence(context), self.record)])

    def aliases(self, context: Context) -> list[Alias]:
        """Return the names that point here."""
        return context.store.all(Alias, "name", artifact_id=self.record.id)

    def created_by(self, context: Context) -> Run | User | None:
        """Return the run that logged it, the user if no run did or it was deleted."""
        run = context.store.find(Run, id=self.record.run_id) if self.record.run_id else None
        return run or context.store.find(User, name=self.record.user)

    def used_by(self, context: Context) -> dict:
        """Return the runs that used it."""
        return connection(versions.runs_of(context.store, self.record, "input"))

    def current_manifest(self, context: Context) -> "ManifestNode | None":
        """Return the manifest, once everything has arrived."""
        md5 = self.record.manifest
        return ManifestNode(context, self.id, md5) if md5 else None

    def files_by_manifest_entries(
        self,
        context: Context,
        storage_layout: str,
        manifest_version: str,
        entries: list[dict] | None = None,
        storage_region: str | None = None,
    ) -> dict:
        """Return the files with some names; how they are stored doesn't matter here."""
        return artifact_files(context, self.record, [entry["name"] for entry in entries or []])


class AliasNode:
    """A name that points to a version."""

    def __init__(self, alias: Alias):
        self.record = alias
        self.id = global_id(alias)
        self.alias = alias.name

    def artifact_collection(self, context: Context) -> Collection:
        """Return the collection that the alias belongs to."""
        return versions.collection_of(context.store, self.record)


class ArtifactFileNode:
    """A file of an artifact, or a reference to one that is stored elsewhere.

    Args:
        context: The request.
        artifact: Whose file it is.
        name: Its name.
        entry: What the manifest says about it.
    """

    updated_at = None
    upload_url = None
    upload_headers = ()
    upload_multipart_urls = None

    def __init__(self, context: Context, artifact: Artifact, name: str, entry: dict):
        self.artifact = artifact
        self.name = self.display_name = name
        self.id = f"{global_id(artifact)}/{name}"
        self.size_bytes = entry.get("size", 0)
        self.mimetype = mimetype(name)
        self.digest = self.md5 = entry["digest"]
        if manifests.is_reference(entry):
            self.storage_path = None
            self.direct_url = entry["ref"]
        else:
            self.storage_path = manifests.hexadecimal(entry["digest"])
            self.direct_url = blob_url(context, self.storage_path)

    def url(self, context: Context, upload: bool | None = None) -> str:
        """Return where to fetch the file."""
        return self.direct_url


class ManifestNode:
    """A manifest whose bytes are known by their MD5."""

    def __init__(self, context: Context, id: str, md5: str | None):
        url = md5 and blob_url(context, md5)
        self.id = id
        self.file = file_to_come("wandb_manifest.json", url, id=id)


class RunArtifactFields:
    """The fields of a run that list artifacts."""

    record: Run

    def output_artifacts(
        self, context: Context, after: str | None = None, first: int | None = None
    ) -> dict:
        """Return a page of the versions that the run logged, the first one first."""
        found = versions.of_run(context.store, self.record, "output")
        return connection(found, first, after)

    def input_artifacts(
        self, context: Context, after: str | None = None, first: int | None = None
    ) -> dict:
        """Return a page of the versions that the run used, the first one first."""
        found = versions.of_run(context.store, self.record, "input")
        return connection(found, first, after)


def commit_hash(artifact: Artifact) -> str:
    """Return a hash that identifies a version, also among versions with the same content.

    W&B's server has such a hash as well, and does not say of what.
    """
    return hashlib.sha256(f"{artifact.id} {artifact.digest}".encode()).hexdigest()[:20]


def tags(text: str) -> list[dict]:
    """Return tags, which are stored as a JSON list of names, as the API shows them."""
    return [{"id": f"Tag:{name}", "name": name} for name in json.loads(text)]


def blob_url(context: Context, md5: str) -> str:
    """Return the URL of contents with an MD5 in hexadecimal."""
    return context.base_url + blob_path(context.authenticator.blob_token(context.user, md5), md5)


def artifact_files(
    context: Context,
    artifact: Artifact,
    names: list[str] | None,
    first: int | None = None,
    after: str | None = None,
) -> dict:
    """Return a page of an artifact's files, all or those of some names, in their order."""
    contents = {}
    if artifact.manifest:
        contents = manifests.read(context.blobs.path(artifact.manifest))["contents"]
    found = sorted(contents) if names is None else [name for name in names if name in contents]
    return connection(
        found, first, after, lambda name: ArtifactFileNode(context, artifact, name, contents[name])
    )


def artifact(context: Context, id: str) -> Artifact | None:
    """Return an artifact by its ID."""
    return context.with_global_id(Artifact, id)


def client_id_mapping(context: Context, client_id: str) -> dict | None:
    """Return the ID of the artifact that its client gave an ID of its own."""
    found = context.store.all(Artifact, "id DESC", client_id=client_id)
    return {"server_id": global_id(found[0])} if found else None


QUERY = {"artifact": artifact, "client_id_mapping": client_id_mapping}
