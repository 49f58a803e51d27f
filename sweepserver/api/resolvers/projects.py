"""Projects, with their runs and sweeps."""

import json
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from typing import Any, NoReturn

from sweepserver.api.resolvers.artifacts.collections import ProjectArtifactFields
from sweepserver.api.resolvers.context import Context, connection, global_id, runs_connection
from sweepserver.api.resolvers.users import EntityNode
from sweepserver.errors import RequestError
from sweepserver.people.auth import may_write
from sweepserver.search.metric import Metric
from sweepserver.store.facts import METRIC_COLUMNS, RUN_FIELDS, RUN_ORDER, SWEEP_FIELDS, RunFacts
from sweepserver.store.filters import Filter, narrowed
from sweepserver.store.orders import Order
from sweepserver.store.records import Project, Run, Sweep, User
from sweepserver.values import timestamp


class ProjectNode(ProjectArtifactFields):
    """A project."""

    access = "PRIVATE"
    views = "{}"
    is_benchmark = False

    def __init__(self, project: Project):
        self.record = project
        self.id = global_id(project)
        self.internal_id = project.id
        self.name = project.name
        self.entity_name = project.entity
        self.entity = EntityNode(project.entity)
        self.description = project.description
        self.created_at = timestamp(project.created_at)

    def read_only(self, context: Context) -> bool:
        """Whether the user may not write."""
        return not may_write(context.user, self.entity_name)

    def user(self, context: Context) -> User | None:
        """Whose project it is."""
        return context.store.find(User, entity=self.entity_name)

    def run(self, context: Context, name: str, desc: str | None = None) -> Run | None:
        """Return a run by its ID; `desc` is ignored."""
        return context.store.find(Run, project_id=self.record.id, name=name)

    def bucket(self, context: Context, name: str, missing_ok: bool | None = None) -> Run | None:
        """Return a run by its ID, as the client asks before it resumes one."""
        return self.run(context, name)

    def run_count(self, context: Context, filters: str | None = None) -> int:
        """Return how many runs pass the filters."""
        wanted = Filter(filters, RUN_FIELDS)
        # In the order that the client asks for by default, so that both look at one list.
        key, find = self._listing(context, wanted, Order("+created_at", RUN_ORDER))
        if wanted.condition or context.listings.known(key):
            return len(context.listings.current(key, find).ids)
        return context.store.count(Run, project_id=self.record.id, is_hidden=0)

    def runs(
        self,
        context: Context,
        filters: str | None = None,
        after: str | None = None,
        first: int | None = None,
        order: str | None = None,
    ) -> dict:
        """Return a page of the runs that pass the filters, the oldest first by default."""
        listing = self._listing(context, Filter(filters, RUN_FIELDS), Order(order, RUN_ORDER))
        return runs_connection(context, *listing, first, after)

    def _listing(
        self, context: Context, wanted: Filter, order: Order
    ) -> tuple[Hashable, Callable[[], Iterable[int]]]:
        """Return the key of a list of runs, and what finds the numbers of these runs."""

        def find() -> Iterable[int]:
            where: dict[str, Any] = narrowed(wanted.condition)
            names = sweep_names(context, self.record)
            if "sweep" in where:
                among = where.pop("sweep")
                where["sweep_id"] = [i for i, name in names.items() if name in among]
            else:
                where |= {"project_id": self.record.id, "is_hidden": 0}
            if not wanted.condition and not order.keys:
                return context.store.ids(Run, **where)
            needs_metrics = order.columns.issuperset(METRIC_COLUMNS)

            @cache
            def metric(sweep: int | None) -> Metric | None:
                if sweep is None or not needs_metrics:
                    return None
                return context.store.get(Sweep, sweep).metric

            passed = []
            # One by one, so that the summaries of all the runs are never in memory together.
            seen = {"id", *wanted.columns, *order.columns}
            for run in context.store.each(Run, seen, **where):
                sweep = getattr(run, "sweep_id", None)
                facts = RunFacts(run, names.get(sweep), self.entity_name, metric(sweep))
                if wanted.holds(facts):
                    ranks = order.ranks(facts)
                    context.allowance.take([rank and rank[2] for rank in ranks])
                    passed.append((ranks, run.id))
            return order.sort_ranked(passed)

        return ("project", self.record.id, json.dumps(wanted.condition), order.keys), find

    def total_sweeps(self, context: Context) -> int:
        """Return how many sweeps there are."""
        return context.store.count(Sweep, project_id=self.record.id)

    def sweep(self, context: Context, sweep_name: str) -> Sweep | None:
        """Return a sweep by its ID."""
        sweep = context.sweep(sweep_name, self.record)
        if sweep is None and (elsewhere := context.sweep(sweep_name, None)):
            place = context.project_of(elsewhere)
            raise RequestError(
                f"The sweep {sweep_name} is not in the project {self.entity_name}/{self.name}: "
                f"name it {place.entity}/{place.name}/{sweep_name}, or unset WANDB_PROJECT."
            )
        return sweep

    def sweeps(
        self,
        context: Context,
        after: str | None = None,
        first: int | None = None,
        filters: str | None = None,
    ) -> dict:
        """Return a page of the sweeps that pass the filters, the newest first."""
        found = context.store.all(Sweep, "id DESC", project_id=self.record.id)
        passed = Filter(filters, SWEEP_FIELDS).select(context.allowance.in_time(found))
        return connection(passed, first, after)


def sweep_names(context: Context, project: Project) -> dict[int | None, str]:
    """Return the IDs of a project's sweeps by their numbers."""
    found = context.store.columns(Sweep, ("id", "name"), project_id=project.id)
    return {sweep.id: sweep.name for sweep in found}


class AnyProjectNode:
    """Stands for the project that the user did not name: a sweep's ID alone is enough."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RequestError("This request must name a project: use ENTITY/PROJECT/ID.")

    def sweep(self, context: Context, sweep_name: str) -> Sweep | None:
        """Return a sweep by its ID."""
        return context.sweep(sweep_name, None)


def project(
    context: Context, name: str | None = None, entity_name: str | None = None
) -> Project | AnyProjectNode | None:
    """Return a project."""
    return AnyProjectNode() if name is None else context.project(name, entity_name)


def model(
    context: Context, name: str | None = None, entity_name: str | None = None
) -> Project | None:
    """Return a project under its old name, by which the client asks before it resumes a run."""
    return context.project(name, entity_name)


def models(
    context: Context,
    entity_name: str | None = None,
    after: str | None = None,
    first: int | None = None,
) -> dict:
    """Return a page of an entity's projects."""
    found = context.store.all(Project, "name", entity=entity_name or context.user.entity)
    return connection(found, first, after)


def upsert_model(context: Context, input: dict) -> dict:
    """Make a project, or change its description."""
    known = context.project(input.get("name"), input.get("entity_name"))
    record = context.project_to_write(input.get("name"), input.get("entity_name"))
    if input.get("description") is not None:
        record = context.store.change(record, description=input["description"])
    return {"project": record, "model": record, "inserted": known is None}


QUERY = {"project": project, "model": model, "models": models}
MUTATION = {"upsert_model": upsert_model}
