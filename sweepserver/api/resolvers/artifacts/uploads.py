"""Uploads of artifacts: announced, files and manifest sent, and committed.

Only the commit makes it a version.  Each step can be repeated without harm, since a client that
loses a reply asks again.
"""

import json
from pathlib import Path

from sweepserver.api.resolvers.artifacts.edits import check_aliases, point, record_use
from sweepserver.api.resolvers.artifacts.nodes import ManifestNode, blob_url
from sweepserver.api.resolvers.context import Context, check_name, connection, global_id
from sweepserver.api.resolvers.files import file_to_come
from sweepserver.errors import RequestError
from sweepserver.store import manifests
from sweepserver.store.blobs import Blobs
from sweepserver.store.files import Files
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
    return {"artifact": artifact}


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
    """Announce a manifest; with its digest, return its upload URL."""
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
    """Set a manifest's digest, and return its upload URL."""
    manifest = context.by_global_id(Manifest, input["artifact_manifest_id"])
    return announce(context, manifest, input.get("digest"))


def announce(context: Context, manifest: Manifest, digest: str | None) -> dict:
    """Note which bytes a manifest has, and return it."""
    if digest:
        md5 = manifests.hexadecimal(digest)
        manifest = context.store.change(manifest, md5=md5)
        context.blobs.need(manifest.artifact_id, [md5])
    return {"artifact_manifest": ManifestNode(context, global_id(manifest), manifest.md5)}


def create_artifact_files(context: Context, input: dict) -> dict:
    """Return an upload URL for each file that isn't stored yet, in the order requested.

    A client asks for ten thousand at once.
    """
    specs = input["artifact_files"]
    artifacts = {owner: arriving(context, owner) for owner in {s["artifact_id"] for s in specs}}
    md5s = [manifests.hexadecimal(spec["md5"]) for spec in specs]
    for owner, artifact in artifacts.items():
        own = (md5 for spec, md5 in zip(specs, md5s, strict=True) if spec["artifact_id"] == owner)
        context.worked_out(context.blobs.need_in_parts, artifact.id, tuple(own))
    missing = context.blobs.missing(md5s)
    targets = [
        file_to_come(
            spec["name"],
            blob_url(context, md5) if md5 in missing else None,
            storage_path=md5,
            upload_multipart_urls=None,
            artifact=artifacts[spec["artifact_id"]],
        )
        for spec, md5 in zip(specs, md5s, strict=True)
    ]
    return {"files": connection(targets)}


def arriving(context: Context, id: str) -> Artifact:
    """Return an artifact that is not complete yet; raise a RequestError if it is."""
    artifact = context.by_global_id(Artifact, id)
    if artifact.version is not None:
        raise RequestError("A logged artifact can't be changed; log a new version of it.")
    return artifact


def commit_artifact(context: Context, input: dict) -> dict:
    """Make an artifact whose files and manifest are here the next version of its collection."""
    artifact = context.by_global_id(Artifact, input["artifact_id"])
    if artifact.version is not None:
        return {"artifact": artifact}
    manifest = context.worked_out(manifests.whole, *manifest_paths(context, artifact))
    context.worked_out(prepare, context.blobs, context.files, artifact.id, manifest)
    if missing := context.blobs.missing(manifest.names):
        name = next(name for md5, name in manifest.names.items() if md5 in missing)
        raise RequestError(f"The file {name} of the artifact has not arrived.")
    collection = collection_of(context.store, artifact)
    now = context.lifecycle.now()
    context.store.change(collection, next_version=collection.next_version + 1, updated_at=now)
    artifact = context.store.change(
        artifact,
        version=collection.next_version,
        manifest=manifest.md5,
        size=manifest.size,
        file_count=manifest.file_count,
        updated_at=now,
    )
    point(context, artifact, [LATEST, *json.loads(artifact.aliases)])
    return {"artifact": artifact}


def manifest_paths(context: Context, artifact: Artifact) -> list[Path]:
    """Return where the parts are of which the manifest of an artifact consists.

    It is the only one that came, or those that several runs brought, or an earlier version's and
    what was added to it.
    """
    parts = [part for part in context.store.all(Manifest, artifact_id=artifact.id) if part.md5]
    base = None
    if parts and parts[0].type == "INCREMENTAL" and parts[0].base_id:
        base = context.store.find(Artifact, id=parts[0].base_id)
    md5s = [base.manifest] if base and base.manifest else []
    md5s += [part.md5 for part in parts if part.md5]
    if not md5s or not all(map(context.blobs.has, md5s)):
        raise RequestError("The manifest of the artifact has not arrived.")
    return [context.blobs.path(md5) for md5 in md5s]


def prepare(blobs: Blobs, files: Files, artifact_id: int, manifest: manifests.Whole) -> None:
    """Note what an artifact needs, and keep its manifest if that was put together here."""
    blobs.need_in_parts(artifact_id, [manifest.md5, *manifest.names])
    if manifest.text is not None:
        draft = files.arriving()
        draft.write_bytes(manifest.text)
        blobs.keep(manifest.md5, draft)


IN_PARTS = {"create_artifact_files"}
MUTATION = {
    "create_artifact": create_artifact,
    "create_artifact_manifest": create_artifact_manifest,
    "update_artifact_manifest": update_artifact_manifest,
    "create_artifact_files": create_artifact_files,
    "commit_artifact": commit_artifact,
}
