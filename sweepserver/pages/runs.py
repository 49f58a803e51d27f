"""One run: what it was given, what it logged, and what it printed."""

import re
from collections.abc import Collection, Iterable

from sweepserver.errors import NotFoundError
from sweepserver.pages import tables
from sweepserver.pages.artifacts import run_table
from sweepserver.pages.formats import size
from sweepserver.pages.listing import find_project, searched
from sweepserver.pages.progress import progress
from sweepserver.pages.rendering import Visit
from sweepserver.pages.tables import Cell, Column, Table
from sweepserver.store import additions, history
from sweepserver.store.console import console_line
from sweepserver.store.database import Store
from sweepserver.store.facts import RunFacts
from sweepserver.store.records import File, Project, Run, Sweep

CONSOLE_LINES, MOST_LINE_CHARACTERS = 500, 10_000

# Colors and movements of the cursor, which a page does not follow:
# https://en.wikipedia.org/wiki/ANSI_escape_code#CSI_(Control_Sequence_Introducer)_sequences
TERMINAL_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def run(visit: Visit, entity: str, project: str, run: str) -> dict:
    """Show a run: curves, summary, config, files and console."""
    store = visit.store
    with store.reading():
        record, found = find_run(store, entity, project, run)
        sweep = None if found.sweep_id is None else store.find(Sweep, id=found.sweep_id)
        files = store.all(File, "name", run_id=found.id)
        first = max(0, found.log_lines - CONSOLE_LINES)
        console = history.read_console(store, found, first, MOST_LINE_CHARACTERS)
        artifacts = run_table(store, found)
    facts = RunFacts(found, sweep and sweep.name)
    swept, metrics = searched([sweep] if sweep else [])
    return {
        "project": record,
        "run": found,
        "sweep": sweep,
        "progress": progress(facts).text if found.is_live else None,
        "has_left_out": history.LEFT_OUT in facts.history_keys or history.LEFT_OUT in facts.summary,
        "limits": (history.MOST_KEYS, additions.MOST_ROW_CHARACTERS),
        "config": in_order(history.flat(facts.config), swept),
        "swept": swept,
        "summary": in_order(
            (item for item in history.flat(facts.summary) if item[0][:1] != "_"),
            {metric.name for metric in metrics},
        ),
        "files": files_table(record, found, files) if files else None,
        "console": [printed(number, text) for number, text in console],
        "console_from": first,
        "artifacts": artifacts,
        "is_live": found.is_live,
        "duration": facts.duration,
    }


def in_order(
    items: Iterable[tuple[str, object]], first: Collection[str]
) -> list[tuple[str, object]]:
    """Return named values by their names, some names before all others."""
    return sorted(items, key=lambda item: (item[0] not in first, item[0]))


def find_run(store: Store, entity: str, project: str, run: str) -> tuple[Project, Run]:
    """Return a run and its project; raise a NotFoundError if there is none."""
    record = find_project(store, entity, project)
    found = store.find(Run, project_id=record.id, name=run)
    if found is None:
        raise NotFoundError(f"There is no run {run} in the project {project}.")
    return record, found


def files_table(project: Project, run: Run, files: list[File]) -> Table:
    """Return a row per file."""
    rows = []
    for file in files:
        parts = ("files", project.entity, project.name, run.name, *file.name.split("/"))
        cells = [
            tables.link(file.name, *parts),
            Cell(size(file.size), file.size),
            tables.moment(file.updated_at),
        ]
        rows.append((file.name, cells))
    return Table(
        "files", "Files", [Column("Name"), Column("Size", "number"), Column("Uploaded")], rows
    )


def printed(number: int, text: str) -> dict:
    """Return a console line as the page shows it."""
    line = console_line(number, text)
    shown = TERMINAL_CODES.sub("", line["line"])
    return {"number": number, "text": shown, "is_error": line["level"] == "error"}
