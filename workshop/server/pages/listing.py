"""Runs and sweeps as rows of tables, and long lists a page at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workshop.server import lines
from workshop.server.errors import NotFoundError
from workshop.server.facts import RunFacts
from workshop.server.metric import Metric
from workshop.server.pages import tables
from workshop.server.pages.numbers import is_number
from workshop.server.pages.progress import latest
from workshop.server.pages.rendering import Visit
from workshop.server.pages.tables import Cell, Column, Table
from workshop.server.records import Project, Run, Sweep
from workshop.server.search import MISSING, NULL, Scale
from workshop.server.store import Store
from workshop.server.trials import Trials
from workshop.server.values import lookup

ROWS_PER_PAGE = 200
MOST_METRICS = 8
NO_PARAMETERS: Mapping[str, Scale] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """One page of a long list.

    Attributes:
        number: Which one, counted from 1.
        total: How many items the whole list has.
    """

    number: int
    total: int

    @property
    def start(self) -> int:
        """How many items come before it."""
        return (self.number - 1) * ROWS_PER_PAGE

    @property
    def end(self) -> int:
        """How many items there are up to its last one."""
        return min(self.total, self.start + ROWS_PER_PAGE)

    @property
    def has_next(self) -> bool:
        """Whether there are items behind it."""
        return self.end < self.total


def part_of(visit: Visit, total: int) -> Part:
    """Return the part of a list that the address asks for by `?page=2`; the first by default."""
    asked = visit.query.get("page", "1")
    last = max(1, -(-total // ROWS_PER_PAGE))
    number = int(asked) if asked.isdecimal() and len(asked) < 9 else 1
    return Part(min(max(1, number), last), total)


def find_project(store: Store, entity: str, name: str) -> Project:
    """Return a project; raise a NotFoundError if there is none.

    The client's `Sweep.url` writes a space as forms do: as a plus.
    """
    record = store.find(Project, entity=entity, name=name)
    record = record or store.find(Project, entity=entity, name=name.replace("+", " "))
    if record is None:
        raise NotFoundError(f"There is no project {entity}/{name} on this server.")
    return record


def part_of_runs(
    visit: Visit, project: Project, names: dict[int, str], **where: object
) -> tuple[Table, Part]:
    """Return a part of the runs of a project that are not hidden, the newest first, and which.

    Args:
        visit: Tells which part is asked for.
        project: The project.
        names: The IDs of its sweeps by their numbers.
        where: Values that runs must have, by column.
    """
    store = visit.store
    where = {"project_id": project.id, "is_hidden": 0, **where}
    part = part_of(visit, store.count(Run, **where))
    condition = " AND ".join(f"{column} IS ?" for column in where)
    found = store.execute(
        f"SELECT id FROM runs WHERE {condition} "  # noqa: S608
        "ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
        *where.values(),
        ROWS_PER_PAGE,
        part.start,
    )
    runs = store.with_ids(Run, [number for (number,) in found])
    return runs_table(project, [RunFacts(run, names.get(run.sweep_id)) for run in runs]), part


def sweep_title(sweep: Sweep, config: dict) -> str:
    """Return the name of a sweep that users see."""
    return str(sweep.display_name or config.get("name") or sweep.name)


def sweeps_table(trials: Trials, project: Project, sweeps: Iterable[Sweep]) -> Table:
    """Return a row per sweep."""
    rows = []
    for sweep in sweeps:
        config = sweep.settings
        runs, expected = trials.of(sweep).count, trials.expected_runs(sweep)
        of = "" if expected is None else f" of {expected}"
        cells = [
            tables.link(
                sweep_title(sweep, config), project.entity, project.name, "sweeps", sweep.name
            ),
            tables.text(sweep.name),
            tables.state(sweep.state),
            tables.text(str(config["method"])),
            Cell(f"{runs}{of}", runs),
            tables.moment(sweep.created_at),
        ]
        rows.append((sweep.name, cells))
    heads = ("Sweep", "ID", "State", "Method", "Runs", "Registered")
    return Table("sweeps", "Sweeps", [Column(head) for head in heads], rows)


def runs_table(
    project: Project,
    found: list[RunFacts],
    parameters: Mapping[str, Scale] = NO_PARAMETERS,
    metric: Metric | None = None,
    fronts: Mapping[int, int] | None = None,
) -> Table:
    """Return a row per run, with a column per parameter and per number in the summaries.

    Args:
        project: Where the runs are.
        found: The runs.
        parameters: The scales of parameters to show, by their dotted names.
        metric: What the runs are sorted by, the best first; its column is the first of numbers.
        fronts: The fronts of runs by their numbers, if the sweep has several goals.
    """
    metrics = metric_names(found, metric)
    has_sweep = metric is None and fronts is None and any(facts.sweep for facts in found)
    order = "descending" if metric and metric.maximize else "ascending"
    columns = [
        Column("Run"),
        Column("State"),
        *([Column("Sweep")] if has_sweep else []),
        *(Column(name, "parameter") for name in parameters),
        *([Column(metric.name, "number", order)] if metric else []),
        *([Column("Front", "number", "ascending")] if fronts is not None else []),
        *(Column(name, "number") for name in metrics),
        Column("Started"),
        Column("Duration", "number"),
    ]
    rows = []
    for facts in found:
        run = facts.run
        cells = [
            tables.link(run.display_name, project.entity, project.name, "runs", run.name),
            tables.run_state(run),
            *([sweep_cell(project, facts.sweep)] if has_sweep else []),
            *(parameter_cell(facts, name, scale) for name, scale in parameters.items()),
            *([tables.value(facts.value(metric))] if metric else []),
            *([tables.value(fronts.get(run.id))] if fronts is not None else []),
            *(tables.value(latest(facts, name)) for name in metrics),
            tables.moment(run.created_at),
            tables.span(facts.duration),
        ]
        rows.append((run.name, cells))
    return Table("runs", "Runs", columns, rows)


def parameter_cell(facts: RunFacts, name: str, scale: Scale) -> Cell:
    """Return a cell with what a run had for a parameter, sorted as its scale has it."""
    value = lookup(facts.config, name, MISSING)
    if value is None:
        return tables.text(NULL)
    return tables.value(None if value is MISSING else scale.read(value))


def sweep_cell(project: Project, sweep: str | None) -> Cell:
    """Return a cell that leads to the sweep of a run, if it has one."""
    if sweep is None:
        return tables.value(None)
    return tables.link(sweep, project.entity, project.name, "sweeps", sweep)


def metric_names(found: list[RunFacts], metric: Metric | None) -> list[str]:
    """Return the names of numbers in the summaries of runs besides the metric that has a column.

    Together they are at most `MOST_METRICS`.
    """
    names = {
        name
        for facts in found
        for name, value in lines.flat(facts.summary)
        if is_number(value) and name[:1] != "_"
    }
    if metric is None:
        return sorted(names)[:MOST_METRICS]
    return sorted(names - {metric.name})[: MOST_METRICS - 1]
