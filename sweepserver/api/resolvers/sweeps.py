"""Sweeps."""

import json
from functools import partial

from sweepserver import search
from sweepserver.api.resolvers.context import Context, connection, global_id, runs_connection
from sweepserver.errors import NotFoundError, RequestError
from sweepserver.inputs import parse_config, require_own_part
from sweepserver.scheduling.lifecycle import ENDED
from sweepserver.scheduling.proposals import wrap
from sweepserver.search.values import shorten
from sweepserver.store import additions, definitions, history
from sweepserver.store.records import STOP_EARLY, Agent, Project, Run, Sweep
from sweepserver.values import new_id, parse_object, timestamp

STATES = ("PENDING", "RUNNING", "PAUSED", "CANCELED", "FINISHED")


class SweepNode:
    """A sweep; its search settings are read only when they are asked for."""

    early_stop_job_running = False

    def __init__(self, sweep: Sweep):
        self.record = sweep
        self.id = global_id(sweep)
        self.name = sweep.name
        self.display_name = sweep.display_name
        self.state = sweep.state
        self.description = sweep.description
        self.config = sweep.config
        self.controller = sweep.controller
        self.scheduler = sweep.scheduler
        self.controller_run_name = scheduler_run(sweep) if sweep.is_scheduled else None
        self.created_at = timestamp(sweep.created_at)
        self.updated_at = timestamp(sweep.updated_at)

    def project(self, context: Context) -> Project:
        """Return the sweep's project."""
        return context.project_of(self.record)

    def method(self, context: Context) -> str:
        """Return how the sweep searches."""
        return self.record.settings["method"]

    def best_loss(self, context: Context) -> float | None:
        """Return the best value that a run of the sweep has of its metric."""
        metric = self.record.metric
        if metric is None:
            return None
        runs = context.store.stream(
            "SELECT summary, extremes FROM runs WHERE sweep_id = ?", self.record.id
        )
        return metric.best(history.value_of(metric, *run) for run in runs)

    def run_count(self, context: Context) -> int:
        """Return how many runs the sweep has."""
        return context.store.count(Run, sweep_id=self.record.id)

    def run_count_expected(self, context: Context) -> int | None:
        """Return how many runs it will have, None if it goes on forever or nearly so."""
        return context.lifecycle.proposals.trials.expected_runs(self.record)

    def heartbeat_at(self, context: Context) -> str | None:
        """Return when an agent was last heard from."""
        found = context.store.all(Agent, sweep_id=self.record.id)
        return timestamp(max(agent.heartbeat_at for agent in found)) if found else None

    def runs(self, context: Context, after: str | None = None, first: int | None = None) -> dict:
        """Return a page of the sweep's runs, the oldest first."""
        return runs_connection(
            context,
            ("sweep", self.record.id),
            lambda: context.store.ids(Run, sweep_id=self.record.id),
            first,
            after,
        )

    def prior_runs(
        self, context: Context, after: str | None = None, first: int | None = None
    ) -> dict:
        """Return a page of the runs that the sweep began with, the oldest first."""
        found = context.store.all(Run, "id", sweep_id=self.record.id, is_prior=1)
        return connection(found, first, after)

    def agent(self, context: Context, agent_name: str) -> Agent | None:
        """Return an agent by its name or ID."""
        for agent in context.store.all(Agent, sweep_id=self.record.id):
            if agent_name in (agent.name, global_id(agent)):
                return agent
        return None

    def agents(self, context: Context) -> dict:
        """Return the sweep's agents."""
        return connection(context.store.all(Agent, sweep_id=self.record.id))


def upsert_sweep(context: Context, input: dict) -> dict:
    """Register a sweep, or change the configuration, the name or the state of one."""
    for key in ("scheduler", "launch_scheduler"):
        if input.get(key):
            raise RequestError(
                "Launch and its queues are not served by this local server; start agents with "
                "`wandb agent`."
            )
    config = input.get("config")
    warnings = [] if config is None else context.worked_out(check_config, config)
    if input.get("controller") is not None:
        check_controller(input["controller"])
    sweep = change(context, input) if input.get("id") else create(context, input)
    return {"sweep": sweep, "config_validation_warnings": warnings}


def create(context: Context, values: dict) -> Sweep:
    """Register a sweep."""
    if not values.get("config"):
        raise RequestError("A sweep needs a configuration.")
    now = context.lifecycle.now()
    project = context.project_to_write(values.get("project_name"), values.get("entity_name"))
    sweep = context.store.add(
        Sweep,
        project_id=project.id,
        name=new_id(),
        config=values["config"],
        state="PENDING",
        display_name=values.get("display_name"),
        description=values.get("description"),
        controller=values.get("controller"),
        created_at=now,
        updated_at=now,
    )
    for run in prior_runs(context, project, values.get("prior_runs_filters")):
        context.store.change(run, sweep_id=sweep.id, is_prior=1, suggestion=None)
    context.afterwards.append(partial(context.lifecycle.proposals.warm, sweep, context.compute))
    return sweep


def prior_runs(context: Context, project: Project, filters: str | None) -> list[Run]:
    """Return the runs that a new sweep starts with.

    A run is in one sweep, so it leaves the one that it may have had.

    Args:
        context: Who asks.
        project: The sweep's project.
        filters: What the client makes of `wandb sweep -R RUN`: `{"$or": [{"name": RUN}, …]}`.

    Raises:
        RequestError: One of them is not there, or has not ended.
    """
    if filters is None:
        return []
    try:
        names = [part["name"] for part in parse_object(filters, "priorRunsFilters")["$or"]]
        if not all(isinstance(name, str) for name in names):
            raise TypeError
    except (KeyError, TypeError) as error:
        raise RequestError(
            f"The prior runs of a sweep must be named by their IDs, not by {shorten(filters)}."
        ) from error
    found = []
    for name in dict.fromkeys(names):
        run = context.store.find(Run, project_id=project.id, name=name)
        if run is None:
            raise NotFoundError(
                f"There is no run {shorten(name)} in the project {project.entity}/{project.name}; "
                "a sweep can only begin with runs of its own project, named by their run IDs."
            )
        if run.is_live:
            raise RequestError(f"The run {name} is {run.state}; wait for its end or stop it first.")
        found.append(run)
    return found


def change(context: Context, values: dict) -> Sweep:
    """Update a sweep."""
    sweep = context.by_global_id(Sweep, values["id"])
    columns = ("config", "controller", "display_name", "description")
    given = {column: values[column] for column in columns if values.get(column) is not None}
    sweep = context.store.change(sweep, updated_at=context.lifecycle.now(), **given)
    if "controller" in given:
        for name in json.loads(given["controller"]).get("earlystop") or []:
            if run := context.store.find(Run, sweep_id=sweep.id, name=name):
                context.lifecycle.order_stop(run, STOP_EARLY)
        sweep = context.lifecycle.finish_if_exhausted(sweep)
    state = values.get("state")
    if state is None:
        return sweep
    if state not in STATES:
        raise RequestError(f"{state!r} isn't a sweep state; expected {', '.join(STATES)}.")
    return context.lifecycle.set_state(sweep, state)


def enqueue_sweep_run(context: Context, input: dict) -> dict:
    """Enqueue a run for the next agent of the sweep that asks."""
    sweep = context.by_global_id(Sweep, input["id"])
    if sweep.state in ENDED:
        raise RequestError(
            f"The sweep {sweep.name} is {sweep.state} and takes no more runs; "
            f"`wandb sweep --resume {sweep.name}` resumes it."
        )
    additions.check_fits(input["config"], "A run's config")
    config = parse_config(input["config"])
    plain = {name: value for name, value in config.items() if not is_wrapped(value)}
    run = context.dispatcher.enqueue(
        sweep, config | wrap(plain), context.user.name, input.get("display_name")
    )
    # The scheduler finds the run again by its short ID.
    return {"id": run.name, "run_queue_item_id": global_id(run)}


def is_wrapped(value: object) -> bool:
    """Return whether an item of a config has the form `{"value": …}`."""
    return isinstance(value, dict) and "value" in value


def check_config(text: str) -> list[str]:
    """Return the warnings of a sweep's YAML; raise a RequestError if it cannot be searched."""
    config = definitions.KNOWN.read(text)
    try:
        search.check(config)
    except search.SearchError as error:
        raise RequestError(f"The sweep's configuration cannot be used: {error}") from error
    return list(search.warnings(config))


def check_controller(text: str) -> None:
    """Raise a RequestError if this is not what `wandb sweep --controller` writes."""
    controller = parse_object(text, "A sweep's controller")
    try:
        for entry in controller.get("schedule") or []:
            arguments = entry["data"]["args"]
            if not isinstance(entry["id"], str):
                raise TypeError
            if arguments is not None:
                if not all(map(is_wrapped, arguments.values())):
                    raise TypeError
                require_own_part(arguments)
        if not all(isinstance(name, str) for name in controller.get("earlystop") or []):
            raise TypeError
    except (TypeError, KeyError, AttributeError) as error:
        raise RequestError(
            "A sweep's controller must hold `schedule`, a list of {id, data: {args}}, and "
            f"`earlystop`, a list of run IDs, not {shorten(text)}."
        ) from error


def scheduler_run(sweep: Sweep) -> str:
    """Return the ID of the run to which the scheduler of a sweep writes its console."""
    return f"{sweep.name}-scheduler"


def sweep_by_name(context: Context, name: str, project: str | None, entity: str | None) -> Sweep:
    """Return a sweep by its ID, of a project if one is named.

    Raises:
        NotFoundError: There is none.
    """
    within = context.project(project, entity) if project else None
    sweep = None if project and within is None else context.sweep(name, within)
    if sweep is None:
        path = "/".join(part for part in (entity, project, name) if part)
        raise NotFoundError(f"There is no sweep {path} on this server.")
    return sweep


MUTATION = {"upsert_sweep": upsert_sweep, "enqueue_sweep_run": enqueue_sweep_run}
