"""How versions and collections of artifacts are used, described, named and deleted."""

import json
from functools import partial

from sweepserver.api.resolvers.artifacts.collections import CollectionNode
from sweepserver.api.resolvers.artifacts.nodes import tags
from sweepserver.api.resolvers.context import Context, check_name
from sweepserver.errors import NotFoundError, RequestError
from sweepserver.search.values import shorten
from sweepserver.store.records import Alias, Artifact, Collection, Run
from sweepserver.store.versions import LATEST, VERSION, newest
from sweepserver.values import parse_object


def use_artifact(context: Context, input: dict) -> dict:
    """Note that a run uses a version, which may be in another project."""
    run = context.run_to_write(input["run_name"], input["project_name"], input["entity_name"])
    artifact = context.with_global_id(Artifact, input["artifact_id"])
    if artifact is None:
        raise NotFoundError(f"There is no artifact with the ID {shorten(input['artifact_id'])}.")
    record_use(context, run, artifact, "input")
    return {"artifact": artifact}


def record_use(context: Context, run: Run, artifact: Artifact, direction: str) -> None:
    """Note that a run logged a version ("output") or used it ("input")."""
    context.store.execute(
        "INSERT OR IGNORE INTO lineage (run_id, artifact_id, direction) VALUES (?, ?, ?)",
        run.id,
        artifact.id,
        direction,
    )


def update_artifact(context: Context, input: dict) -> dict:
    """Update a version's description, metadata, tags or time to live."""
    artifact = context.by_global_id(Artifact, input["artifact_id"])
    changes: dict[str, object] = {"updated_at": context.lifecycle.now()}
    if input.get("description") is not None:
        changes["description"] = input["description"]
    if input.get("metadata") is not None:
        parse_object(input["metadata"], "An artifact's metadata")
        changes["metadata"] = input["metadata"]
    if input.get("ttl_duration_seconds") is not None:
        changes["ttl_seconds"] = input["ttl_duration_seconds"]
    changes["tags"] = changed_tags(
        artifact.tags, input.get("tags_to_add"), input.get("tags_to_delete")
    )
    return {"artifact": context.store.change(artifact, **changes)}


def changed_tags(text: str, added: list[dict] | None, removed: list[dict] | None) -> str:
    """Return tags, a JSON list of names, after some are added and others removed."""
    names = set(json.loads(text))
    names |= {tag["tag_name"] for tag in added or []}
    names -= {tag["tag_name"] for tag in removed or []}
    return json.dumps(sorted(names))


def add_aliases(context: Context, input: dict) -> dict:
    """Point aliases to a version."""
    artifact = context.by_global_id(Artifact, input["artifact_id"])
    names = [item["alias"] for item in input["aliases"]]
    check_aliases(names)
    point(context, artifact, names)
    return {"success": True}


def check_aliases(names: list[str]) -> None:
    """Raise a RequestError if one of some names cannot be an alias."""
    for name in names:
        check_name(name, "an alias of an artifact")
        if VERSION.fullmatch(name):
            raise RequestError(f"{name} cannot be an alias of an artifact: it names a version.")


def point(context: Context, artifact: Artifact, names: list[str]) -> None:
    """Point aliases to a version, wherever in its collection they pointed before."""
    for name in names:
        context.store.execute(
            "INSERT INTO aliases (collection_id, artifact_id, name) VALUES (?, ?, ?) "
            "ON CONFLICT (collection_id, name) DO UPDATE SET artifact_id = excluded.artifact_id",
            artifact.collection_id,
            artifact.id,
            name,
        )


def delete_aliases(context: Context, input: dict) -> dict:
    """Remove aliases from a version."""
    artifact = context.by_global_id(Artifact, input["artifact_id"])
    for item in input["aliases"]:
        alias = context.store.find(Alias, artifact_id=artifact.id, name=item["alias"])
        if alias:
            context.store.remove(alias)
    return {"success": True}


def delete_artifact(context: Context, input: dict) -> dict:
    """Delete a version; if aliases point to it, only if they may be deleted too.

    `latest` then points to the newest version that is left.
    """
    artifact = context.by_global_id(Artifact, input["artifact_id"])
    names = [alias.name for alias in context.store.all(Alias, artifact_id=artifact.id)]
    if names and not input.get("delete_aliases"):
        raise RequestError(
            f"The artifact has the alias {shorten(', '.join(names))}; delete it with "
            "delete_aliases=True."
        )
    remove(context, artifact)
    if LATEST in names:
        left = newest(context.store, artifact.collection_id)
        if left:
            point(context, left, [LATEST])
    return {"artifact": artifact}


def remove(context: Context, artifact: Artifact) -> None:
    """Delete a version, and those of its bytes that no other needs."""
    md5s = context.blobs.needed_by(artifact.id)
    context.store.remove(artifact)
    context.afterwards.append(partial(context.blobs.remove_unneeded, md5s))


def update_artifact_sequence(context: Context, input: dict) -> dict:
    """Change the name or the description of a collection."""
    collection = context.by_global_id(Collection, input["artifact_sequence_id"])
    name = input.get("name")
    if name and name != collection.name:
        check_name(name, "an artifact's name")
        if context.store.find(Collection, project_id=collection.project_id, name=name):
            raise RequestError(f"There is an artifact {name} in this project already.")
    return changed(context, collection, name=name, description=input.get("description"))


def move_artifact_sequence(context: Context, input: dict) -> dict:
    """Change the type of a collection."""
    collection = context.by_global_id(Collection, input["artifact_sequence_id"])
    kind = input["destination_artifact_type_name"]
    check_name(kind, "an artifact's type")
    return changed(context, collection, type=kind)


def changed(context: Context, collection: Collection, **values: str | None) -> dict:
    """Change those values of a collection that are given, and return it."""
    given = {column: value for column, value in values.items() if value is not None}
    now = context.lifecycle.now()
    collection = context.store.change(collection, updated_at=now, **given)
    return {"artifact_collection": collection}


def delete_artifact_sequence(context: Context, input: dict) -> dict:
    """Delete a collection with all its versions."""
    collection = context.by_global_id(Collection, input["artifact_sequence_id"])
    for artifact in context.store.all(Artifact, collection_id=collection.id):
        remove(context, artifact)
    context.store.remove(collection)
    return {"artifact_collection": CollectionNode(collection, "DELETED")}


def create_artifact_collection_tag_assignments(context: Context, input: dict) -> dict:
    """Add tags to a collection."""
    collection = collection_by_name(context, input)
    text = changed_tags(collection.tags, input["tags"], None)
    context.store.change(collection, tags=text, updated_at=context.lifecycle.now())
    return {"tags": tags(text)}


def delete_artifact_collection_tag_assignments(context: Context, input: dict) -> dict:
    """Remove tags from a collection."""
    collection = collection_by_name(context, input)
    text = changed_tags(collection.tags, None, input["tags"])
    context.store.change(collection, tags=text, updated_at=context.lifecycle.now())
    return {"success": True}


def collection_by_name(context: Context, values: dict) -> Collection:
    """Return the collection that a request names, if the user may write it."""
    project = context.project_to_write(values["project_name"], values["entity_name"])
    name = values["artifact_collection_name"]
    found = context.store.find(Collection, project_id=project.id, name=name)
    if found is None:
        raise NotFoundError(f"There is no artifact {name} in the project {project.name}.")
    return found


MUTATION = {
    "use_artifact": use_artifact,
    "update_artifact": update_artifact,
    "delete_artifact": delete_artifact,
    "add_aliases": add_aliases,
    "delete_aliases": delete_aliases,
    "update_artifact_sequence": update_artifact_sequence,
    "move_artifact_sequence": move_artifact_sequence,
    "delete_artifact_sequence": delete_artifact_sequence,
    "create_artifact_collection_tag_assignments": create_artifact_collection_tag_assignments,
    "delete_artifact_collection_tag_assignments": delete_artifact_collection_tag_assignments,
}
