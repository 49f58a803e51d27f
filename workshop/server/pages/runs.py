"""One run: what it was given, what it logged, and what it printed."""

from workshop.server import lines
from workshop.server.errors import NotFoundError
from workshop.server.filters import Facts
from workshop.server.pages.listing import find_project
from workshop.server.pages.rendering import Visit
from workshop.server.records import File, Run, Sweep

CONSOLE_LINES = 500


def run(visit: Visit, entity: str, project: str, run: str) -> dict:
    """Show a run: curves, summary, config, files and console."""
    store = visit.store
    with store.reading():
        record = find_project(store, entity, project)
        found = store.find(Run, project_id=record.id, name=run)
        if found is None:
            raise NotFoundError(f"There is no run {run} in the project {project}.")
        sweep = found.sweep_id and store.find(Sweep, id=found.sweep_id)
        files = store.all(File, "name", run_id=found.id)
        first = max(0, found.log_lines - CONSOLE_LINES)
        console = lines.read_rows(store, "console", found, first)
    facts = Facts(found, sweep and sweep.name)
    return {
        "project": record,
        "run": found,
        "sweep": sweep,
        "config": sorted(lines.flat(facts.config)),
        "summary": sorted(item for item in lines.flat(facts.summary) if item[0][:1] != "_"),
        "files": files,
        "console": console,
        "console_from": first,
        "is_live": found.is_live,
    }
