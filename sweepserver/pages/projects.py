"""The list of projects, and one project with its sweeps, runs and artifacts."""

from sweepserver.errors import NotFoundError
from sweepserver.pages import tables
from sweepserver.pages.artifacts import artifacts_table
from sweepserver.pages.listing import Part, find_project, part_of_runs, sweeps_table
from sweepserver.pages.rendering import Visit
from sweepserver.pages.tables import Cell, Column, Table
from sweepserver.people.keys import key_file
from sweepserver.store.records import LIVE_STATES, Collection, Sweep

OVERVIEW = f"""
SELECT entity, name, created_at,
    (SELECT count(*) FROM sweeps WHERE project_id = projects.id) AS sweeps,
    (SELECT count(*) FROM runs WHERE project_id = projects.id AND NOT is_hidden) AS runs,
    (SELECT count(*) FROM runs
     WHERE project_id = projects.id AND NOT is_hidden AND state IN {LIVE_STATES}) AS live,
    (SELECT max(heartbeat_at) FROM runs WHERE project_id = projects.id) AS last
FROM projects ORDER BY entity, name
"""  # noqa: S608


def projects(visit: Visit) -> dict:
    """Show all projects."""
    with visit.store.reading():
        found = visit.store.execute(OVERVIEW).fetchall()
    rows = [
        (
            f"{project['entity']}/{project['name']}",
            [
                tables.link(
                    f"{project['entity']}/{project['name']}", project["entity"], project["name"]
                ),
                Cell(str(project["sweeps"]), project["sweeps"]),
                Cell(str(project["runs"]), project["runs"]),
                Cell(str(project["live"]), project["live"]),
                tables.moment(project["last"] or project["created_at"]),
            ],
        )
        for project in found
    ]
    columns = [
        Column("Project"),
        Column("Sweeps", "number"),
        Column("Runs", "number"),
        Column("Running", "number"),
        Column("Last sign of life"),
    ]
    return {"projects": Table("projects", "Projects", columns, rows), "is_live": True}


def project(visit: Visit, entity: str, project: str) -> dict:
    """Show the sweeps, runs and artifacts of a project, the newest first."""
    store = visit.store
    with store.reading():
        record = find_project(store, entity, project)
        sweeps = store.all(Sweep, "id DESC", project_id=record.id)
        names: dict[int | None, str] = {sweep.id: sweep.name for sweep in sweeps}
        runs, part = part_of_runs(visit, record, names)
        first = Part(1, store.count(Collection, project_id=record.id))
        return {
            "project": record,
            "sweeps": sweeps_table(store, visit.state.lifecycle.proposals.trials, record, sweeps),
            "runs": runs,
            "part": part,
            "artifacts": artifacts_table(store, record, first),
            "artifacts_part": first,
            "is_live": True,
        }


def group(visit: Visit, entity: str, project: str, group: str) -> dict:
    """Show the runs of a group, the newest first."""
    store = visit.store
    with store.reading():
        record = find_project(store, entity, project)
        sweeps = store.all(Sweep, project_id=record.id)
        names: dict[int | None, str] = {sweep.id: sweep.name for sweep in sweeps}
        # W&B's own links to groups end with this word.
        for name in (group, group.removesuffix("/workspace")):
            runs, part = part_of_runs(visit, record, names, run_group=name)
            if part.total:
                return {
                    "project": record,
                    "group": name,
                    "runs": runs,
                    "part": part,
                    "is_live": True,
                }
    raise NotFoundError(f"There is no run of the group {group} in the project {project}.")


def authorize(visit: Visit) -> dict:
    """Show where the key is: the client sends its user here when it has none."""
    if visit.user != visit.state.authenticator.owner:
        return {"key_file": None}
    return {"key_file": key_file(visit.store.folder, visit.user.name)}
