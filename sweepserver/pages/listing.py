"""Runs and sweeps as rows of tables, and long lists a page at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sweepserver.errors import NotFoundError
from sweepserver.pages import tables
from sweepserver.pages.numbers import is_number
from sweepserver.pages.progress import latest
from sweepserver.pages.rendering import Visit
from sweepserver.pages.tables import Cell, Column, Order, Table
from sweepserver.scheduling.trials import Trials
from sweepserver.search import MISSING, NULL, Scale, hyperparameters
from sweepserver.search.metric import Metric
from sweepserver.search.values import lookup
from sweepserver.store import history
from sweepserver.store.database import Store
from sweepserver.store.facts import RunFacts
from sweepserver.store.records import NEVER_STARTED, Project, Run, Sweep

ROWS_PER_PAGE = 200
MOST_METRICS = 8
MOST_PARAMETERS = 8


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
    visit: Visit, project: Project, names: dict[int | None, str], **where: object
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
    facts = [RunFacts(run, names.get(run.sweep_id)) for run in runs]
    numbers = dict.fromkeys(run.sweep_id for run in runs if run.sweep_id is not None)
    parameters, metrics = searched(store.with_ids(Sweep, list(numbers)))
    return runs_table(project, facts, parameters, metrics), part


def searched(sweeps: Iterable[Sweep]) -> tuple[dict[str, Scale], list[Metric]]:
    """Return the scales of the parameters that sweeps vary, by name, and what they optimize.

    Only the first `MOST_PARAMETERS` count.  If two sweeps vary a parameter on different scales, the
    first sweep decides.
    """
    scales: dict[str, Scale] = {}
    metrics: dict[str, Metric] = {}
    for sweep in sweeps:
        config = sweep.settings
        scales |= {
            name: scale for name, scale in hyperparameters(config).items() if name not in scales
        }
        if metric := Metric.of(config):
            metrics.setdefault(metric.name, metric)
    return dict(islice(scales.items(), MOST_PARAMETERS)), list(metrics.values())


def sweep_title(sweep: Sweep, config: dict) -> str:
    """Return the name of a sweep that users see."""
    return str(sweep.display_name or config.get("name") or sweep.name)


def count_unstarted(store: Store, sweep: Sweep) -> int:
    """Return how many runs of a sweep were enqueued for agents and never started."""
    statement = f"SELECT count(*) FROM runs WHERE sweep_id = ? AND {NEVER_STARTED}"  # noqa: S608
    (count,) = store.execute(statement, sweep.id).fetchone()
    return count


def sweeps_table(store: Store, trials: Trials, project: Project, sweeps: Iterable[Sweep]) -> Table:
    """Return a row per sweep; runs that never started don't count."""
    rows = []
    for sweep in sweeps:
        config = sweep.settings
        unstarted, expected = count_unstarted(store, sweep), trials.expected_runs(sweep)
        runs = trials.of(sweep).count - unstarted
        of = "" if expected is None else f" of {expected - unstarted}"
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
    parameters: Mapping[str, Scale],
    metrics: Sequence[Metric] = (),
    fronts: Mapping[int, int] | None = None,
    is_ranked: bool = False,
) -> Table:
    """Return a row per run, with a column per parameter and per number in the summaries.

    Args:
        project: Where the runs are.
        found: The runs.
        parameters: The scales of parameters to show, by their dotted names.
        metrics: What their sweeps optimize: the first columns of numbers, with a run's best values.
        fronts: The fronts of runs by their numbers, if the sweep has several goals.
        is_ranked: Whether they are the runs of one sweep, the best by its metric first.
    """
    others = metric_names(found, {metric.name for metric in metrics})
    has_sweep = not is_ranked and any(facts.sweep for facts in found)
    columns = [
        Column("Run"),
        Column("State"),
        *([Column("Sweep")] if has_sweep else []),
        *(Column(name, "parameter") for name in parameters),
        *(Column(metric.name, "number", order_by(metric, is_ranked)) for metric in metrics),
        *([Column("Front", "number", "ascending")] if fronts is not None else []),
        *(Column(name, "number") for name in others),
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
            *(tables.value(facts.value(metric)) for metric in metrics),
            *([tables.value(fronts.get(run.id))] if fronts is not None else []),
            *(tables.value(latest(facts, name)) for name in others),
            tables.moment(run.created_at),
            tables.span(facts.duration),
        ]
        rows.append((run.name, cells))
    return Table("runs", "Runs", columns, rows)


def order_by(metric: Metric, is_ranked: bool) -> Order | None:
    """Return how rows are sorted by a metric, if they are."""
    if not is_ranked:
        return None
    return "descending" if metric.maximize else "ascending"


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


def metric_names(found: list[RunFacts], shown: set[str]) -> list[str]:
    """Return the names of numbers in the summaries of runs besides those that have a column.

    Together they are at most `MOST_METRICS`.
    """
    names = {
        name
        for facts in found
        for name, value in history.flat(facts.summary)
        if is_number(value) and name[:1] != "_"
    }
    return sorted(names - shown)[: max(0, MOST_METRICS - len(shown))]
