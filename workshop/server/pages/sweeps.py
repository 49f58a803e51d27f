"""One sweep: how far it is, what runs now, and what came out."""

import yaml

from workshop.server import search
from workshop.server.errors import NotFoundError
from workshop.server.filters import Facts, ordered
from workshop.server.pages.listing import (
    ROWS_PER_PAGE,
    find_project,
    part_of,
    runs_table,
    sweep_title,
)
from workshop.server.pages.rendering import Visit
from workshop.server.records import Run, Sweep


def sweep(visit: Visit, entity: str, project: str, sweep: str) -> dict:
    """Show a sweep: its configuration and its runs, the best first."""
    store = visit.store
    with store.reading():
        record = find_project(store, entity, project)
        found = store.find(Sweep, project_id=record.id, name=sweep)
        if found is None:
            raise NotFoundError(f"There is no sweep {sweep} in the project {project}.")
        runs = [Facts(run, sweep) for run in store.all(Run, sweep_id=found.id)]
    config = yaml.safe_load(found.config)
    metric = config.get("metric") or {}
    name, maximize = metric.get("name"), metric.get("goal") == "maximize"
    if name:
        runs = ordered(runs, f"{'-' if maximize else '+'}summary_metrics.{name}")
    part = part_of(visit, len(runs))
    shown = runs[part.start : part.start + ROWS_PER_PAGE]
    parameters = [".".join(path) for path, _ in search.flatten(config["parameters"])]
    return {
        "project": record,
        "sweep": found,
        "title": sweep_title(found, config),
        "config": found.config,
        "method": config["method"],
        "expected": search.expected_runs(config),
        "runs": runs_table(record, shown, parameters, name, maximize),
        "part": part,
        "is_live": found.state in ("PENDING", "RUNNING") or any(f.run.is_live for f in runs),
    }
