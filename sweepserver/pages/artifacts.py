"""Artifacts: those of a project, the versions of one, and what a version is made of."""

import json
from pathlib import PurePosixPath

from sweepserver.errors import NotFoundError
from sweepserver.pages import tables
from sweepserver.pages.formats import shown, size
from sweepserver.pages.listing import ROWS_PER_PAGE, Part, find_project, part_of
from sweepserver.pages.rendering import Visit
from sweepserver.pages.tables import Cell, Column, Table
from sweepserver.store import history, manifests, versions
from sweepserver.store.database import Store
from sweepserver.store.records import Alias, Artifact, Collection, Project, Run

ROLES = {"output": "logged it", "input": "used it"}
OVERVIEW = """
SELECT collections.type, collections.name, collections.updated_at, newest.version, newest.size,
    (SELECT count(version) FROM artifacts WHERE collection_id = collections.id) AS versions
FROM collections LEFT JOIN artifacts AS newest
    ON newest.collection_id = collections.id
    AND newest.version = (SELECT max(version) FROM artifacts WHERE collection_id = collections.id)
WHERE project_id = ? ORDER BY collections.updated_at DESC, collections.id DESC LIMIT ? OFFSET ?
"""
VERSIONS = """
SELECT *, (SELECT count(*) FROM lineage
           WHERE artifact_id = artifacts.id AND direction = 'input') AS uses
FROM artifacts WHERE collection_id = ? AND version IS NOT NULL
ORDER BY version DESC LIMIT ? OFFSET ?
"""


def artifacts(visit: Visit, entity: str, project: str) -> dict:
    """Show the artifacts of a project, the most recently updated first."""
    with visit.store.reading():
        record = find_project(visit.store, entity, project)
        part = part_of(visit, visit.store.count(Collection, project_id=record.id))
        listed = artifacts_table(visit.store, record, part)
    return {"project": record, "artifacts": listed, "part": part, "is_live": True}


def artifacts_table(store: Store, project: Project, part: Part) -> Table:
    """Return a row per artifact of a project."""
    rows = []
    for found in store.execute(OVERVIEW, project.id, ROWS_PER_PAGE, part.start):
        name, kind, version = found["name"], found["type"], found["version"]
        newest = tables.value(None)
        if version is not None:
            parts = address_of(project, kind, name, f"v{version}")
            newest = Cell(f"v{version}", version, tables.address(*parts))
        cells = [
            tables.link(name, *address_of(project, kind, name)),
            tables.text(kind),
            Cell(str(found["versions"]), found["versions"]),
            newest,
            size_cell(found["size"]),
            tables.moment(found["updated_at"]),
        ]
        rows.append((name, cells))
    columns = [
        Column("Artifact"),
        Column("Type"),
        Column("Versions", "number"),
        Column("Newest"),
        Column("Size", "number"),
        Column("Updated"),
    ]
    return Table("artifacts", "Artifacts", columns, rows)


def run_table(store: Store, run: Run) -> Table:
    """Return a row per version that a run logged or used."""
    rows = []
    for direction, role in ROLES.items():
        for artifact in versions.of_run(store, run, direction):
            collection = versions.collection_of(store, artifact)
            place = store.get(Project, collection.project_id)
            name = f"{collection.name}:v{artifact.version}"
            if place.id != run.project_id:
                name = f"{place.entity}/{place.name}/{name}"
            parts = address_of(place, collection.type, collection.name, f"v{artifact.version}")
            cells = [
                tables.link(name, *parts),
                tables.text(role),
                tables.text(collection.type),
                tables.text(aliases_of(store, artifact)),
                size_cell(artifact.size),
                Cell(str(artifact.file_count), artifact.file_count),
                tables.moment(artifact.created_at),
            ]
            rows.append((f"{artifact.id} {role}", cells))
    columns = [
        Column("Artifact"),
        Column("This run"),
        Column("Type"),
        Column("Aliases"),
        Column("Size", "number"),
        Column("Files", "number"),
        Column("Created"),
    ]
    return Table("artifacts", "Artifacts", columns, rows)


def collection(visit: Visit, entity: str, project: str, kind: str, name: str) -> dict:
    """Show an artifact: its versions, the newest first."""
    store = visit.store
    with store.reading():
        record, found = find_collection(store, entity, project, kind, name)
        (total,) = store.execute(
            "SELECT count(version) FROM artifacts WHERE collection_id = ?", found.id
        ).fetchone()
        part = part_of(visit, total)
        rows = []
        for row in store.execute(VERSIONS, found.id, ROWS_PER_PAGE, part.start).fetchall():
            values = dict(row)
            uses = values.pop("uses")
            artifact = Artifact(**values)
            version = f"v{artifact.version}"
            parts = address_of(record, kind, name, version)
            cells = [
                Cell(version, artifact.version, tables.address(*parts)),
                tables.text(aliases_of(store, artifact)),
                size_cell(artifact.size),
                Cell(str(artifact.file_count), artifact.file_count),
                maker(store, artifact),
                Cell(str(uses), uses),
                tables.moment(artifact.created_at),
            ]
            rows.append((version, cells))
    columns = [
        Column("Version", "", "descending"),
        Column("Aliases"),
        Column("Size", "number"),
        Column("Files", "number"),
        Column("Logged by"),
        Column("Used by runs", "number"),
        Column("Created"),
    ]
    return {
        "project": record,
        "collection": found,
        "tags": ", ".join(json.loads(found.tags)),
        "versions": Table("versions", "Versions", columns, rows),
        "part": part,
        "is_live": True,
    }


def version(visit: Visit, entity: str, project: str, kind: str, name: str, version: str) -> dict:
    """Show a version, given by its number (`v3`) or an alias: its files, and who has used it."""
    store = visit.store
    with store.reading():
        record, found = find_collection(store, entity, project, kind, name)
        artifact = versions.version_of(store, found, version)
        if artifact is None or artifact.version is None or artifact.manifest is None:
            raise NotFoundError(f"The artifact {name} has no version {version}.")
        aliases = aliases_of(store, artifact)
        runs = runs_table(store, artifact)
        contents = manifests.read(visit.state.blobs.path(artifact.manifest))["contents"]
    part = part_of(visit, len(contents))
    names = sorted(contents)[part.start : part.end]
    return {
        "project": record,
        "collection": found,
        "artifact": artifact,
        "aliases": aliases,
        "tags": ", ".join(json.loads(artifact.tags)),
        "metadata": sorted(history.flat(json.loads(artifact.metadata or "{}"))),
        "runs": runs,
        "files": files_table(record, found, {name: contents[name] for name in names}),
        "part": part,
    }


def find_collection(
    store: Store, entity: str, project: str, kind: str, name: str
) -> tuple[Project, Collection]:
    """Return an artifact and its project; raise a NotFoundError if there is none."""
    record = find_project(store, entity, project)
    found = store.find(Collection, project_id=record.id, type=kind, name=name)
    if found is None:
        raise NotFoundError(
            f"There is no artifact {name} of the type {kind} in the project {project}."
        )
    return record, found


def runs_table(store: Store, artifact: Artifact) -> Table:
    """Return a row per run that logged or used a version."""
    rows = []
    for direction, role in ROLES.items():
        for run in versions.runs_of(store, artifact, direction):
            place = store.get(Project, run.project_id)
            cells = [
                run_cell(place, run),
                tables.text(role),
                tables.run_state(run),
                tables.link(f"{place.entity}/{place.name}", place.entity, place.name),
                tables.moment(run.created_at),
            ]
            rows.append((f"{run.id} {role}", cells))
    heads = ("Run", "What it did", "State", "Project", "Started")
    return Table("runs", "Runs", [Column(head) for head in heads], rows)


def files_table(project: Project, found: Collection, contents: dict[str, dict]) -> Table:
    """Return a row per file of a version; a file stored elsewhere is named without a link."""
    has_references = any(map(manifests.is_reference, contents.values()))
    rows = []
    for name, entry in contents.items():
        if manifests.is_reference(entry):
            cell, place = tables.text(name), tables.text(shown(entry["ref"]))
        else:
            md5 = manifests.hexadecimal(entry["digest"])
            owner = ("artifactsV2", "local", project.entity, project.name, found.name)
            cell = tables.link(name, *owner, md5, PurePosixPath(name).name)
            place = tables.text("on this server")
        cells = [cell, size_cell(entry.get("size")), *([place] if has_references else [])]
        rows.append((name, cells))
    columns = [
        Column("Name"),
        Column("Size", "number"),
        *([Column("Where it is")] if has_references else []),
    ]
    return Table("files", "Files", columns, rows)


def maker(store: Store, artifact: Artifact) -> Cell:
    """Return a cell with the run that logged a version, or the user if that run is gone."""
    run = artifact.run_id and store.find(Run, id=artifact.run_id)
    if not run:
        return tables.text(artifact.user)
    return run_cell(store.get(Project, run.project_id), run)


def run_cell(project: Project, run: Run) -> Cell:
    """Return a cell that leads to a run."""
    return tables.link(run.display_name, project.entity, project.name, "runs", run.name)


def size_cell(number: int | None) -> Cell:
    """Return a cell with a number of bytes."""
    return tables.value(None) if number is None else Cell(size(number), number)


def aliases_of(store: Store, artifact: Artifact) -> str:
    """Return the names that point to a version, in words."""
    return ", ".join(alias.name for alias in store.all(Alias, "name", artifact_id=artifact.id))


def address_of(project: Project, *parts: str) -> tuple[str, ...]:
    """Return the path of an artifact's page, which the client also uses."""
    return (project.entity, project.name, "artifacts", *parts)
