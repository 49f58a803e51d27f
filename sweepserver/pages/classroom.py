"""The pages of a class: how far everybody is, for instructors; whose run is best, for all."""

from sweepserver.errors import ForbiddenError, NotFoundError
from sweepserver.pages import formats, tables
from sweepserver.pages.listing import parameter_cell, searched
from sweepserver.pages.rendering import Visit
from sweepserver.pages.tables import Cell, Column, Order, Table
from sweepserver.people.leaderboard import Entry
from sweepserver.people.participants import STEPS, Participant, participants
from sweepserver.search import MISSING
from sweepserver.search.metric import GOALS, Metric
from sweepserver.search.values import lookup
from sweepserver.store.database import Store
from sweepserver.store.facts import RunFacts
from sweepserver.store.records import Run, Sweep


def classroom(visit: Visit) -> dict:
    """Show how far each participant is."""
    if not visit.user.is_admin:
        raise ForbiddenError("This page is for the instructors of the class.")
    state = visit.state
    people = [user for user in state.authenticator.people if not user.is_admin]
    found = participants(visit.store, state.activity, people)
    metric = state.standings.metric()
    ranking = state.standings.best(metric) if metric else []
    best = {entry.entity: (entry, value) for entry, value in ranking}
    columns = [
        Column("Participant"),
        Column("Latest step"),
        Column("Since"),
        Column("Sweeps", "number"),
        Column("Running", "number"),
        Column("Finished", "number"),
        Column("Failed", "number"),
        Column(f"Best {metric.name}" if metric else "Best", "number", name="best"),
        Column("Last heard"),
    ]
    rows = [(one.user.name, line(one, best.get(one.user.entity))) for one in found]
    return {
        "people": Table("participants", "Participants", columns, rows),
        "steps": [
            (step, sum(one.step >= place for one in found)) for place, step in enumerate(STEPS, 1)
        ],
        "is_live": bool(found),
    }


def line(one: Participant, best: tuple[Entry, float] | None) -> list[Cell]:
    """Return the line about a participant."""
    entity = one.user.entity
    name = tables.link(entity, entity, one.project) if one.project else tables.text(entity)
    failed = tables.value(one.failed)
    if one.newest_failed:
        failed = linked(one.failed, run_address(entity, *one.newest_failed))
    return [
        name,
        Cell(f"{one.step} · {STEPS[one.step - 1]}" if one.step else "not signed in yet", one.step),
        tables.moment(one.step_at),
        tables.value(one.sweeps),
        tables.value(one.running),
        tables.value(one.finished),
        failed,
        linked(best[1], address_of(best[0])) if best else tables.value(None),
        tables.moment(one.heard_at),
    ]


def picked(store: Store, numbers: list[int]) -> dict[int, str]:
    """Return what sweeps picked for runs, in words, by the runs' numbers in the store."""
    found = {}
    with store.reading():
        for run in store.with_ids(Run, numbers):
            if run.sweep_id is None:
                continue
            sweep = store.get(Sweep, run.sweep_id)
            scales, _ = searched([sweep])
            facts = RunFacts(run, sweep.name)
            cells = {
                name: parameter_cell(facts, name, scale)
                for name, scale in scales.items()
                if lookup(facts.config, name, MISSING) is not MISSING
            }
            found[run.id] = ", ".join(
                f"{name} {cell.title or cell.text}" for name, cell in cells.items()
            )
    return found


def leaderboard(visit: Visit) -> dict:
    """Show the best run of each participant."""
    state = visit.state
    if not state.has_leaderboard:
        raise NotFoundError("There is no leaderboard on this server.")
    known = state.standings.metrics()
    metric = state.standings.metric() or Metric(known[0] if known else "", maximize=True)
    goal = visit.query.get("goal")
    metric = Metric(
        visit.query.get("metric") or metric.name,
        goal == "maximize" if goal in GOALS else metric.maximize,
    )
    entities = {user.entity for user in state.authenticator.people if not user.is_admin}
    found = [
        (entry, value) for entry, value in state.standings.best(metric) if entry.entity in entities
    ]
    order: Order = "descending" if metric.maximize else "ascending"
    columns = [
        Column("Place"),
        Column("Best", "number", order),
        Column("With", "parameter"),
        Column("Run"),
        Column("Started"),
    ]
    points = picked(visit.store, [entry.id for entry, _ in found])
    values = [value for _, value in found]
    rows = []
    for entry, value in found:
        place = values.index(value) + 1
        you = " (you)" if entry.entity == visit.user.entity else ""
        cells = [
            Cell(f"{place}. {entry.entity}{you}", place),
            tables.value(value),
            tables.value(points.get(entry.id)),
            tables.text(entry.display_name, href=address_of(entry)),
            tables.moment(entry.created_at),
        ]
        rows.append((entry.entity, cells))
    return {
        "board": Table("leaderboard", "Best runs", columns, rows),
        "metric": metric.name,
        "metrics": sorted({metric.name, *known}),
        "goal": metric.goal,
        "goals": GOALS,
        "without": len(entities) - len(rows),
        "is_live": True,
    }


def linked(number: float, href: str) -> Cell:
    """Return a cell with a number that leads to a page."""
    return Cell(formats.shown(number), number, href)


def address_of(entry: Entry) -> str:
    """Return the address of a run's page, seen from the first page."""
    return run_address(entry.entity, entry.project, entry.name)


def run_address(entity: str, project: str, run: str) -> str:
    """Return the address of a run's page, seen from the first page."""
    return tables.address(entity, project, "runs", run)
