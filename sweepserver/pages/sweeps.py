"""One sweep: how far it is, what runs now, and what came out."""

from collections import Counter

from sweepserver import search
from sweepserver.errors import NotFoundError
from sweepserver.pages import tables
from sweepserver.pages.formats import count
from sweepserver.pages.listing import (
    ROWS_PER_PAGE,
    find_project,
    part_of,
    runs_table,
    sweep_title,
)
from sweepserver.pages.progress import latest, progress
from sweepserver.pages.rendering import Visit
from sweepserver.pages.tables import Cell, Column, Table
from sweepserver.search.metric import Metric
from sweepserver.store.database import Store
from sweepserver.store.facts import RunFacts
from sweepserver.store.filters import ranked
from sweepserver.store.records import Project, Run, Sweep


def sweep(visit: Visit, entity: str, project: str, sweep: str) -> dict:
    """Show a sweep: its configuration and its runs, the best first."""
    store = visit.store
    with store.reading():
        record, found = find_sweep(store, entity, project, sweep)
        runs = [RunFacts(run, sweep) for run in store.all(Run, sweep_id=found.id)]
        expected = visit.state.lifecycle.proposals.trials.expected_runs(found)
    config = found.settings
    metric = found.metric
    if metric:
        runs = ranked(runs, lambda facts: facts.value(metric), metric.maximize)
    live = [facts for facts in runs if facts.run.is_live]
    part = part_of(visit, len(runs))
    on_page = runs[part.start : part.start + ROWS_PER_PAGE]
    return {
        "project": record,
        "sweep": found,
        "title": sweep_title(found, config),
        "config": found.config,
        "method": config["method"],
        "metric": metric and metric.name,
        "goal": metric and metric.goal,
        "expected": expected,
        "ended": len(runs) - len(live),
        "states": count_states(runs),
        "best": best_of(record, runs, metric) if metric else None,
        "live": live_table(record, live, metric and metric.name) if live else None,
        "runs": runs_table(record, on_page, search.hyperparameters(config), metric),
        "part": part,
        "has_figures": visit.state.figures is not None,
        "is_live": found.state in ("PENDING", "RUNNING", "PAUSED") or bool(live),
    }


def find_sweep(store: Store, entity: str, project: str, sweep: str) -> tuple[Project, Sweep]:
    """Return a sweep and its project; raise a NotFoundError if there is none."""
    record = find_project(store, entity, project)
    found = store.find(Sweep, project_id=record.id, name=sweep)
    if found is None:
        raise NotFoundError(f"There is no sweep {sweep} in the project {project}.")
    return record, found


def count_states(runs: list[RunFacts]) -> str:
    """Return how many runs are in which state, in words."""
    counts = Counter(facts.run.state for facts in runs)
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))


def best_of(project: Project, runs: list[RunFacts], metric: Metric) -> Cell | None:
    """Return the best value that a finished run reached, and the way to that run.

    Args:
        project: Where the runs are.
        runs: The runs, the best first.
        metric: What they are compared by.
    """
    for facts in runs:
        value = tables.value(facts.value(metric))
        if facts.run.state == "finished" and value.sort is not None:
            href = tables.address(project.entity, project.name, "runs", facts.run.name)
            return Cell(value.text, value.sort, href, title=facts.run.display_name)
    return None


def live_table(project: Project, live: list[RunFacts], metric: str | None) -> Table:
    """Return how far each run is that has still to end, the newest first."""
    columns = [
        Column("Run"),
        Column("State"),
        Column("Progress"),
        *([Column(f"Latest {metric}", "number")] if metric else []),
        Column("Host"),
        Column("Last sign of life"),
        Column("Duration", "number"),
    ]
    rows = []
    for facts in sorted(live, key=lambda facts: -facts.run.id)[:ROWS_PER_PAGE]:
        run = facts.run
        cells = [
            tables.link(run.display_name, project.entity, project.name, "runs", run.name),
            tables.state(run.state),
            progress(facts),
            *([tables.value(latest(facts, metric))] if metric else []),
            tables.value(run.host),
            tables.moment(run.heartbeat_at),
            tables.span(facts.duration),
        ]
        rows.append((run.name, cells))
    return Table("live", f"{count(len(live), 'run')} under way", columns, rows)
