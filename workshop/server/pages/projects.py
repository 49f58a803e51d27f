"""The list of projects, and one project with its sweeps and runs."""

from workshop.server.facts import RunFacts
from workshop.server.keys import key_file
from workshop.server.pages import tables
from workshop.server.pages.listing import (
    ROWS_PER_PAGE,
    find_project,
    part_of,
    runs_table,
    sweeps_table,
)
from workshop.server.pages.rendering import Visit
from workshop.server.pages.tables import Cell, Column, Table
from workshop.server.records import LIVE_STATES, Run, Sweep

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
    """Show the sweeps and runs of a project, the newest first."""
    store = visit.store
    with store.reading():
        record = find_project(store, entity, project)
        sweeps = store.all(Sweep, "id DESC", project_id=record.id)
        listed = sweeps_table(store, record, sweeps)
        part = part_of(visit, store.count(Run, project_id=record.id, is_hidden=0))
        found = store.execute(
            "SELECT * FROM runs WHERE id IN (SELECT id FROM runs WHERE project_id = ? "
            "AND is_hidden = 0 ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?) "
            "ORDER BY created_at DESC, id DESC",
            record.id,
            ROWS_PER_PAGE,
            part.start,
        )
        runs = [Run(**dict(row)) for row in found]
    names = {sweep.id: sweep.name for sweep in sweeps}
    return {
        "project": record,
        "sweeps": listed,
        "runs": runs_table(record, [RunFacts(run, names.get(run.sweep_id)) for run in runs]),
        "part": part,
        "is_live": True,
    }


def authorize(visit: Visit) -> dict:
    """Show where the key is: the client sends its user here when it has none."""
    if visit.user != visit.state.gate.owner:
        return {"key_file": None}
    return {"key_file": key_file(visit.store.folder, visit.user.name)}
