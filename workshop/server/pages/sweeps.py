"""One sweep: how far it is, what runs now, and what came out."""

from collections import Counter

from workshop.server import search
from workshop.server.errors import NotFoundError
from workshop.server.facts import RunFacts
from workshop.server.filters import ranked
from workshop.server.metric import Metric
from workshop.server.pages import tables
from workshop.server.pages.formats import count
from workshop.server.pages.listing import (
    ROWS_PER_PAGE,
    find_project,
    part_of,
    runs_table,
    sweep_title,
)
from workshop.server.pages.progress import latest, progress
from workshop.server.pages.rendering import Visit
from workshop.server.pages.tables import Cell, Column, Table
from workshop.server.records import Project, Run, Sweep
from workshop.server.search import pareto
from workshop.server.store import Store

MOST_OF_FRONT = 20  # runs that are listed; the table has all
MOST_RANKED = 2000  # runs that are sorted into fronts, which takes time with the square of them


def sweep(visit: Visit, entity: str, project: str, sweep: str) -> dict:
    """Show a sweep: its configuration and its runs, the best first."""
    store = visit.store
    with store.reading():
        record, found = find_sweep(store, entity, project, sweep)
        runs = [RunFacts(run, sweep) for run in store.all(Run, sweep_id=found.id)]
        expected = visit.state.controller.proposals.trials.expected_runs(found)
    config = found.settings
    metric, goals = found.metric, found.goals
    fronts = fronts_of(runs, goals) if len(goals) > 1 else None
    if fronts is not None:
        runs = ranked(runs, lambda facts: fronts.get(facts.run.id), is_descending=False)
    elif metric:
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
        "goals": goals,
        "front": front_of(record, runs, fronts) if fronts is not None else None,
        "expected": expected,
        "ended": len(runs) - len(live),
        "states": count_states(runs),
        "best": best_of(record, runs, metric) if metric else None,
        "live": live_table(record, live, metric and metric.name) if live else None,
        "runs": runs_table(record, on_page, search.hyperparameters(config), metric, fronts),
        "part": part,
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
    counts = Counter(tables.run_state(facts.run).text for facts in runs)
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))


def fronts_of(runs: list[RunFacts], goals: list[Metric]) -> dict[int, int]:
    """Return the fronts of the runs that finished with a value of every goal, by their numbers.

    Of very many runs, only the first are compared.
    """
    losses: dict[int, list[float]] = {}
    for facts in runs:
        values = [goal.value(facts.summary) for goal in goals]
        if len(losses) == MOST_RANKED:
            break
        if facts.run.state == "finished" and None not in values:
            signed = zip(goals, values, strict=True)
            losses[facts.run.id] = [goal.sign * value for goal, value in signed]
    return dict(zip(losses, pareto.fronts(list(losses.values())), strict=True))


def front_of(project: Project, runs: list[RunFacts], fronts: dict[int, int]) -> list[Cell]:
    """Return the ways to the runs of the Pareto front, the first of them if they are many."""
    front = [facts.run for facts in runs if fronts.get(facts.run.id) == 1]
    return [
        tables.link(run.display_name, project.entity, project.name, "runs", run.name)
        for run in front[:MOST_OF_FRONT]
    ]


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
            tables.run_state(run),
            progress(facts),
            *([tables.value(latest(facts, metric))] if metric else []),
            tables.value(run.host),
            tables.moment(run.heartbeat_at),
            tables.span(facts.duration),
        ]
        rows.append((run.name, cells))
    return Table("live", f"{count(len(live), 'run')} under way", columns, rows)
