"""How an artifact comes in: announced, its files and manifest brought, and committed.

Only the commit makes it a version.  Each step can be repeated without harm, since a client that
loses a reply asks again.
"""

import json

from sweepserver.api.resolvers.artifacts.edits import check_aliases, point, record_use
from sweepserver.api.resolvers.artifacts.nodes import ArtifactNode, ManifestNode, blob_url
from sweepserver.api.resolvers.context import Context, check_name, connection, global_id
from sweepserver.api.resolvers.files import file_to_come
from sweepserver.errors import RequestError
from sweepserver.inputs import count
from sweepserver.store import manifests
from sweepserver.store.records import Artifact, Collection, Manifest, Project
from sweepserver.store.versions import LATEST, collection_of
from sweepserver.values import parse_object


def create_artifact(context: Context, input: dict) -> dict:
    """Announce an artifact; one with the same content in the same collection is that version."""
    project = context.project_to_write(input["project_name"], input["entity_name"])
    context.quota.require_room(project.entity)
    run = None
    if input.get("run_name"):
        run = context.run_to_write(input["run_name"], project.name, project.entity)
    aliases = [item["alias"] for item in input.get("aliases") or []]
    check_aliases(aliases)
    if input.get("metadata"):
        parse_object(input["metadata"], "An artifact's metadata")
    collection = collection_to_write(context, project, input)
    artifact = known(context, collection, input) or context.store.add(
        Artifact,
        collection_id=collection.id,
        run_id=run and run.id,
        user=context.user.name,
        client_id=input.get("client_id"),
        distributed_id=input.get("distributed_id"),
        digest=input["digest"],
        aliases=json.dumps(aliases),
        description=input.get("description"),
        metadata=input.get("metadata"),
        tags=json.dumps(sorted({tag["tag_name"] for tag in input.get("tags") or []})),
        ttl_seconds=input.get("ttl_duration_seconds"),
        history_step=input.get("history_step"),
        created_at=context.lifecycle.now(),
        updated_at=context.lifecycle.now(),
    )
    if artifact.version is not None:
        point(context, artifact, aliases)
    if run:
        record_use(context, run, artifact, "output")
    return {"artifact": ArtifactNode(artifact)}


def collection_to_write(context: Context, project: Project, values: dict) -> Collection:
    """Return the collection to log to, made if it does not exist."""
    names = values.get("artifact_collection_names") or []
    name = values.get("artifact_collection_name") or next(iter(names), None)
    kind = values["artifact_type_name"]
    if not name:
        raise RequestError("An artifact must have a name.")
    found = context.store.find(Collection, project_id=project.id, name=name)
    if found and found.type != kind:
        raise RequestError(
            f"The artifact {name} of the project {project.name} has the type {found.type!r}, not "
            f"{kind!r}; log it with its own type or under another name."
        )
    if found:
        return found
    check_name(name, "an artifact's name")
    check_name(kind, "an artifact's type")
    now = context.lifecycle.now()
    return context.store.add(
        Collection, project_id=project.id, type=kind, name=name, created_at=now, updated_at=now
    )


def known(context: Context, collection: Collection, values: dict) -> Artifact | None:
    """Return the artifact that is announced, if it was before: by client, by runs, by content."""
    for column in ("client_id", "distributed_id"):
        if values.get(column):
            where = {"collection_id": collection.id, column: values[column]}
            if found := context.store.find(Artifact, **where):
                return found
    if not values.get("enable_digest_deduplication"):
        return None
    # One of many, each of which may have long metadata.
    row = context.store.execute(
        "SELECT max(version) FROM artifacts WHERE collection_id = ? AND digest = ?",
        collection.id,
        values["digest"],
    ).fetchone()
    where = {"collection_id": collection.id, "version": row[0]}
    return None if row[0] is None else context.store.find(Artifact, **where)


def create_artifact_manifest(context: Context, input: dict) -> dict:
    """Announce a manifest; with its digest, give out the address to bring it to."""
    artifact = arriving(context, input["artifact_id"])
    base = context.with_global_id(Artifact, input.get("base_artifact_id") or "")
    values = {
        "type": input["type"],
        "base_id": base and base.id,
    }
    place = {"artifact_id": artifact.id, "run_name": input["run_name"], "name": input["name"]}
    if manifest := context.store.find(Manifest, **place):
        manifest = context.store.change(manifest, **values)
    else:
        manifest = context.store.add(Manifest, **place, **values)
    return announce(context, manifest, input["digest"])


def update_artifact_manifest(context: Context, input: dict) -> dict:
    """Give a manifest its digest, and give out the address to bring it to."""
    manifest = context.by_global_id(Manifest, input["artifact_manifest_id"])
    return announce(context, manifest, input.get("digest"))


def announce(context: Context, manifest: Manifest, digest: str | None) -> dict:
    """Note which bytes a manifest has, and return it."""
    if digest:
        manifest = context.store.change(manifest, md5=manifests.hexadecimal(digest))
        context.blobs.need(manifest.artifact_id, [manifest.md5])
    return {"artifact_manifest": ManifestNode(context, global_id(manifest), manifest.md5)}


def create_artifact_files(context: Context, input: dict) -> dict:
    """Give out an address for each file whose bytes are not here yet, in the order asked."""
    artifacts, targets = {}, []
    for spec in input["artifact_files"]:
        owner = spec["artifact_id"]
        if owner not in artifacts:
            artifacts[owner] = arriving(context, owner)
        md5 = manifests.hexadecimal(spec["md5"])
        context.blobs.need(artifacts[owner].id, [md5])
        targets.append(
            file_to_come(
                spec["name"],
                None if context.blobs.has(md5) else blob_url(context, md5),
                storage_path=md5,
                upload_multipart_urls=None,
                artifact=ArtifactNode(artifacts[owner]),
            )
        )
    return {"files": connection(targets, lambda target: target, None, None)}


def arriving(context: Context, id: str) -> Artifact:
    """Return an artifact that is not complete yet; raise a RequestError if it is."""
    artifact = context.by_global_id(Artifact, id)
    if artifact.version is not None:
        raise RequestError("An artifact cannot be changed any more; log a new version of it.")
    return artifact


def commit_artifact(context: Context, input: dict) -> dict:
    """Make an artifact whose files and manifest are here the next version of its collection."""
    artifact = context.by_global_id(Artifact, input["artifact_id"])
    if artifact.version is not None:
        return {"artifact": ArtifactNode(artifact)}
    md5, manifest = assemble(context, artifact)
    for name, entry in manifest["contents"].items():
        here = manifests.is_reference(entry) or context.blobs.has(
            manifests.hexadecimal(entry["digest"])
        )
        if not here:
            raise RequestError(f"The file {name} of the artifact has not arrived.")
    context.blobs.need(artifact.id, [md5, *manifests.contents_of(manifest)])
    collection = collection_of(context.store, artifact)
    now = context.lifecycle.now()
    context.store.change(collection, next_version=collection.next_version + 1, updated_at=now)
    artifact = context.store.change(
        artifact,
        version=collection.next_version,
        manifest=md5,
        size=count(manifests.size_of(manifest), "The size of an artifact"),
        file_count=len(manifest["contents"]),
        updated_at=now,
    )
    point(context, artifact, [LATEST, *json.loads(artifact.aliases)])
    return {"artifact": ArtifactNode(artifact)}


def assemble(context: Context, artifact: Artifact) -> tuple[str, dict]:
    """Return the manifest of an artifact and the MD5 of its bytes.

    It is the only one that came, or put together from those that several runs brought, or from
    an earlier version and what was added to it.
    """
    parts = [part for part in context.store.all(Manifest, artifact_id=artifact.id) if part.md5]
    base = parts and parts[0].type == "INCREMENTAL" and parts[0].base_id
    base = base and context.store.find(Artifact, id=base)
    md5s = [base.manifest] if base and base.manifest else []
    md5s += [part.md5 for part in parts]
    if not md5s or not all(map(context.blobs.has, md5s)):
        raise RequestError("The manifest of the artifact has not arrived.")
    paths = [context.blobs.path(md5) for md5 in md5s]
    manifests.check_size(paths)
    found = [context.worked_out(manifests.read, path) for path in paths]
    if len(found) == 1:
        return md5s[0], found[0]
    merged = manifests.merge(found)
    content = manifests.write(merged)
    return context.blobs.add(artifact.id, content, context.files.arriving()), merged


MUTATION = {
    "create_artifact": create_artifact,
    "create_artifact_manifest": create_artifact_manifest,
    "update_artifact_manifest": update_artifact_manifest,
    "create_artifact_files": create_artifact_files,
    "commit_artifact": commit_artifact,
}
