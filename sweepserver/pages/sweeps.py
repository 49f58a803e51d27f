"""One sweep: how far it is, what runs now, and what came out."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

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
from sweepserver.search import pareto
from sweepserver.search.metric import Metric
from sweepserver.store.database import Store
from sweepserver.store.facts import RunFacts
from sweepserver.store.orders import ranked
from sweepserver.store.records import LIVE_STATES, NEVER_STARTED, Project, Run, Sweep

MOST_RUNS = 10_000  # that are compared, drawn and listed: the newest
SEED = "seed"  # the parameter in which the runs of a point differ
MOST_OF_FRONT = 20  # runs that are named; the table has all
MOST_RANKED = 2000  # runs that are sorted into fronts, which takes time with the square of them


@dataclass(frozen=True, slots=True)
class Contender:
    """The parts of a run that are needed to compare it.

    Attributes:
        id: Its number.
        state: Its state.
        values: Its value of each goal, None where it has none.
    """

    id: int
    state: str
    values: tuple[float | None, ...]


def sweep(visit: Visit, entity: str, project: str, sweep: str) -> dict:
    """Show a sweep: its configuration and its runs, the best first."""
    store = visit.store
    with store.reading():
        record, found = find_sweep(store, entity, project, sweep)
        metric, goals = found.metric, found.goals
        runs = contenders(store, found, goals if len(goals) > 1 else [metric] if metric else [])
        fronts = fronts_of(runs, goals) if len(goals) > 1 else None
        if fronts is not None:
            runs = ranked(runs, lambda run: fronts.get(run.id), is_descending=False)
        elif metric:
            runs = ranked(runs, lambda run: run.values[0], metric.maximize)
        part = part_of(visit, len(runs))
        on_page = read(store, found, [run.id for run in runs[part.start : part.end]])
        states = read_states(store, found)
        live = read(store, found, newest_live(store, found))
        best = best_of(store, record, runs, metric) if metric else None
        front = front_of(store, record, runs, fronts) if fronts is not None else None
        expected = visit.state.lifecycle.proposals.trials.expected_runs(found)
    config = found.settings
    number_live = sum(number for run, number in states if run.is_live)
    unstarted = sum(number for run, number in states if run.never_started)
    total = sum(number for _, number in states)
    return {
        "project": record,
        "sweep": found,
        "title": sweep_title(found, config),
        "config": found.config,
        "method": config["method"],
        "metric": metric and metric.name,
        "goal": metric and metric.goal,
        "goals": goals,
        "front": front,
        "expected": None if expected is None else expected - unstarted,
        "total": total,
        "compared": len(runs),
        "ended": total - number_live - unstarted,
        "states": count_states(states),
        "best": best,
        "live": live_table(record, live, number_live, metric and metric.name) if live else None,
        "runs": runs_table(
            record,
            on_page,
            search.hyperparameters(config),
            [metric] if metric else [],
            fronts,
            is_ranked=True,
        ),
        "part": part,
        "has_figures": visit.state.figures is not None,
        "has_seeds": {SEED} < search.hyperparameters(config).keys(),
        "is_live": found.state in ("PENDING", "RUNNING", "PAUSED") or bool(live),
    }


def find_sweep(store: Store, entity: str, project: str, sweep: str) -> tuple[Project, Sweep]:
    """Return a sweep and its project; raise a NotFoundError if there is none."""
    record = find_project(store, entity, project)
    found = store.find(Sweep, project_id=record.id, name=sweep)
    if found is None:
        raise NotFoundError(f"There is no sweep {sweep} in the project {project}.")
    return record, found


def newest_runs(store: Store, sweep: Sweep, columns: str) -> Iterator[sqlite3.Row]:
    """Yield columns of the newest runs of a sweep, the oldest run first; texts may be long."""
    return store.stream(
        f"SELECT {columns} FROM runs WHERE id IN "  # noqa: S608
        "(SELECT id FROM runs WHERE sweep_id = ? ORDER BY id DESC LIMIT ?) ORDER BY id",
        sweep.id,
        MOST_RUNS,
    )


def contenders(store: Store, sweep: Sweep, goals: list[Metric]) -> list[Contender]:
    """Return the newest runs of a sweep with their values of some goals, the oldest run first."""
    columns = "id, state, summary, extremes" if goals else "id, state, '{}', '{}'"
    found = []
    for number, state, *texts in newest_runs(store, sweep, columns):
        summary, extremes = map(json.loads, texts)
        # Of several goals the last values count, see `Metric.goals_of`.
        logged = {} if len(goals) > 1 else extremes
        values = (goal.value(summary, logged.get(goal.name, ())) for goal in goals)
        found.append(Contender(number, state, tuple(values)))
    return found


def read(store: Store, sweep: Sweep, numbers: list[int]) -> list[RunFacts]:
    """Return the runs of a sweep with these numbers, in their order."""
    return [RunFacts(run, sweep.name) for run in store.with_ids(Run, numbers)]


def read_states(store: Store, sweep: Sweep) -> list[tuple[Run, int]]:
    """Return one run of a sweep for each state, and the number of runs in that state."""
    rows = store.execute(
        "SELECT min(id), count(*) FROM runs WHERE sweep_id = ? "  # noqa: S608
        f"GROUP BY state, stop_ordered, {NEVER_STARTED}",
        sweep.id,
    )
    counts = dict(rows)
    return [(run, counts[run.id]) for run in store.with_ids(Run, list(counts))]


def count_states(states: list[tuple[Run, int]]) -> str:
    """Describe how many runs are in each state."""
    counts: Counter[str] = Counter()
    for run, number in states:
        counts[tables.run_state(run).text] += number
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))


def fronts_of(runs: list[Contender], goals: list[Metric]) -> dict[int, int]:
    """Return the fronts of the runs that finished with a value of every goal, by their numbers.

    Of very many runs, only the first are compared.
    """
    losses: dict[int, list[float]] = {}
    for run in runs:
        if len(losses) == MOST_RANKED:
            break
        known = [
            goal.sign * value
            for goal, value in zip(goals, run.values, strict=True)
            if value is not None
        ]
        if run.state == "finished" and len(known) == len(goals):
            losses[run.id] = known
    return dict(zip(losses, pareto.fronts(list(losses.values())), strict=True))


def front_of(
    store: Store, project: Project, runs: list[Contender], fronts: dict[int, int]
) -> list[Cell]:
    """Return links to the runs of the Pareto front, at most the first few."""
    front = [run.id for run in runs if fronts.get(run.id) == 1][:MOST_OF_FRONT]
    return [
        tables.link(run.display_name, project.entity, project.name, "runs", run.name)
        for run in store.with_ids(Run, front)
    ]


def best_of(store: Store, project: Project, runs: list[Contender], metric: Metric) -> Cell | None:
    """Return the best value that a finished run reached, and a link to that run.

    Args:
        store: Where they are.
        project: The project in which they are.
        runs: The runs, the best first.
        metric: What they are compared by.
    """
    for contender in runs:
        value = tables.value(contender.values[0])
        if contender.state == "finished" and value.sort is not None:
            run = store.get(Run, contender.id)
            href = tables.address(project.entity, project.name, "runs", run.name)
            return Cell(value.text, value.sort, href, title=run.display_name)
    return None


def newest_live(store: Store, sweep: Sweep) -> list[int]:
    """Return the numbers of the runs that have still to end, the newest first, up to a page."""
    rows = store.execute(
        f"SELECT id FROM runs WHERE sweep_id = ? AND state IN {LIVE_STATES} "  # noqa: S608
        "ORDER BY id DESC LIMIT ?",
        sweep.id,
        ROWS_PER_PAGE,
    )
    return [number for (number,) in rows]


def live_table(project: Project, live: list[RunFacts], total: int, metric: str | None) -> Table:
    """Return how far each run is that has still to end, the newest first.

    Args:
        project: Where the runs are.
        live: The runs, the newest ones if there are more.
        total: How many there are.
        metric: The name of what the sweep optimizes.
    """
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
    for facts in live:
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
    return Table("live", f"{count(total, 'run')} under way", columns, rows)
