"""How many bytes each project keeps in the database, and in the files of its runs.

Triggers count them in the transaction that writes them, so the sums in `projects.bytes` are right
whatever writes, and nobody has to look through rows to know what somebody has.
"""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counted:
    """What counts of the rows of a table.

    Attributes:
        size: An expression of SQL for how many bytes a row has.
        columns: The columns in it.
        project: An expression for the number of the project that a row belongs to.
    """

    size: str
    columns: tuple[str, ...]
    project: str


def texts(project: str, *columns: str) -> Counted:
    """Return a table's entry in which the bytes of some columns count."""
    sizes = (f"ifnull(length(CAST({{row}}.{column} AS BLOB)), 0)" for column in columns)
    return Counted(" + ".join(sizes), columns, project)


ITS_OWN = "{row}.project_id"
OF_ITS_RUN = "(SELECT project_id FROM runs WHERE id = {row}.run_id)"
OF_ITS_COLLECTION = "(SELECT project_id FROM collections WHERE id = {row}.collection_id)"
TABLES = {
    "sweeps": texts(
        ITS_OWN, "config", "display_name", "description", "controller", "scheduler"
    ),
    "runs": texts(
        ITS_OWN, "suggestion", "config", "summary", "system_metrics", "tags", "notes",
        "description", "history_keys", "extremes",
    ),
    "history": texts(OF_ITS_RUN, "row"),
    "events": texts(OF_ITS_RUN, "row"),
    "console": texts(OF_ITS_RUN, "row"),
    "alerts": texts(OF_ITS_RUN, "title", "text"),
    "files": Counted("{row}.size", ("size",), OF_ITS_RUN),
    "artifacts": texts(OF_ITS_COLLECTION, "aliases", "description", "metadata", "tags"),
}  # fmt: skip
# What belongs to a row is deleted before it: afterwards nothing tells whose it was.
PARTS = {
    "runs": [(table, "run_id") for table in ("history", "events", "console", "alerts", "files")],
    "collections": [("artifacts", "collection_id")],
}


def count_from_now(db: sqlite3.Connection) -> None:
    """Count every change that a connection makes from now on."""
    db.execute("PRAGMA recursive_triggers = ON")  # so that replaced rows count as deleted
    for table, counted in TABLES.items():
        columns = ", ".join(counted.columns)
        for event, when, sides in (
            ("INSERT", "AFTER INSERT", {"NEW": "+"}),
            ("UPDATE", f"AFTER UPDATE OF {columns}", {"OLD": "-", "NEW": "+"}),
            ("DELETE", "AFTER DELETE", {"OLD": "-"}),
        ):
            change = " ".join(f"{sign} ({counted.size.format(row=r)})" for r, sign in sides.items())
            project = counted.project.format(row=next(iter(sides)))
            db.execute(
                f"CREATE TEMP TRIGGER counted_{table}_{event} {when} ON {table} BEGIN "  # noqa: S608
                f"UPDATE projects SET bytes = bytes {change} WHERE id = {project}; END"
            )
    for table, parts in PARTS.items():
        deletions = " ".join(f"DELETE FROM {part} WHERE {key} = OLD.id;" for part, key in parts)  # noqa: S608
        db.execute(
            f"CREATE TEMP TRIGGER parts_of_{table} BEFORE DELETE ON {table} BEGIN {deletions} END"
        )


def count_anew(db: sqlite3.Connection) -> None:
    """Recount everything; slow, since every row is read."""
    db.execute("UPDATE projects SET bytes = 0")
    for table, counted in TABLES.items():
        size, project = (text.format(row=table) for text in (counted.size, counted.project))
        db.execute(
            f"UPDATE projects SET bytes = bytes + found.size FROM "  # noqa: S608
            f"(SELECT {project} AS project, sum({size}) AS size FROM {table} GROUP BY 1) AS found "
            "WHERE id = found.project"
        )
