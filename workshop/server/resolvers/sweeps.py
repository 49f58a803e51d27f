"""Sweeps."""

import yaml

from workshop.server import search
from workshop.server.errors import NotFoundError, RequestError
from workshop.server.records import Agent, Run, Sweep
from workshop.server.resolvers import agents, projects, runs
from workshop.server.resolvers.context import Context, connection, global_id
from workshop.server.values import new_id, timestamp

STATES = ("PENDING", "RUNNING", "PAUSED", "CANCELED", "FINISHED")


class SweepNode:
    """A sweep; its search settings are read only when they are asked for."""

    best_loss = None
    early_stop_job_running = False
    controller = None
    scheduler = None

    def __init__(self, sweep: Sweep):
        self.record = sweep
        self.id = global_id(sweep)
        self.name = sweep.name
        self.display_name = sweep.display_name
        self.state = sweep.state
        self.description = sweep.description
        self.config = sweep.config
        self.created_at = timestamp(sweep.created_at)
        self.updated_at = timestamp(sweep.updated_at)

    def project(self, context: Context) -> "projects.ProjectNode":
        """Return the sweep's project."""
        return projects.ProjectNode(context.project_of(self.record))

    def method(self, context: Context) -> str:
        """Return how the sweep searches."""
        return yaml.safe_load(self.config)["method"]

    def run_count(self, context: Context) -> int:
        """Return how many runs the sweep has."""
        return context.store.count(Run, sweep_id=self.record.id)

    def run_count_expected(self, context: Context) -> int | None:
        """Return how many runs it will have, None if it goes on for ever."""
        return search.expected_runs(yaml.safe_load(self.config))

    def heartbeat_at(self, context: Context) -> str | None:
        """Return when an agent was last heard."""
        found = context.store.all(Agent, sweep_id=self.record.id)
        return timestamp(max(agent.heartbeat_at for agent in found)) if found else None

    def runs(self, context: Context, after: str | None = None, first: int | None = None) -> dict:
        """Return a page of the sweep's runs, the oldest first."""
        found = context.store.all(Run, sweep_id=self.record.id)
        return connection(found, lambda run: runs.RunNode(run, self.name), first, after)

    def agents(self, context: Context) -> dict:
        """Return the sweep's agents."""
        found = context.store.all(Agent, sweep_id=self.record.id)
        return connection(found, agents.AgentNode, None, None)

    def agent(self, context: Context, agent_name: str) -> "agents.AgentNode | None":
        """Return an agent by its name or ID."""
        for agent in context.store.all(Agent, sweep_id=self.record.id):
            if agent_name in (agent.name, global_id(agent)):
                return agents.AgentNode(agent)
        return None


def upsert_sweep(context: Context, input: dict) -> dict:
    """Register a sweep, or change the configuration, the name or the state of one."""
    for key in ("controller", "scheduler", "launch_scheduler", "prior_runs_filters"):
        if input.get(key):
            raise RequestError(
                f"A sweep with {key.replace('_', ' ')} is not served by this local server; "
                "register it without, and the server searches."
            )
    config = input.get("config")
    if config is not None:
        check_config(config)
    sweep = change(context, input) if input.get("id") else create(context, input)
    return {"sweep": SweepNode(sweep), "config_validation_warnings": []}


def create(context: Context, values: dict) -> Sweep:
    """Register a sweep."""
    if not values.get("config"):
        raise RequestError("A sweep needs a configuration.")
    now = context.controller.now()
    project = context.project_to_write(values.get("project_name"), values.get("entity_name"))
    return context.store.add(
        Sweep,
        project_id=project.id,
        name=new_id(),
        config=values["config"],
        state="PENDING",
        display_name=values.get("display_name"),
        description=values.get("description"),
        created_at=now,
        updated_at=now,
    )


def change(context: Context, values: dict) -> Sweep:
    """Change what is given of a sweep."""
    sweep = context.by_global_id(Sweep, values["id"])
    columns = ("config", "display_name", "description")
    given = {column: values[column] for column in columns if values.get(column) is not None}
    sweep = context.store.change(sweep, updated_at=context.controller.now(), **given)
    state = values.get("state")
    if state is None:
        return sweep
    if state not in STATES:
        raise RequestError(f"{state!r} is no state of a sweep; expected {', '.join(STATES)}.")
    return context.controller.set_state(sweep, state)


def check_config(text: str) -> None:
    """Raise a RequestError if a sweep's YAML cannot be searched."""
    try:
        config = yaml.safe_load(text)
        search.check(config)
    except yaml.YAMLError as error:
        raise RequestError(f"The sweep's configuration is no YAML: {error}.") from error
    except search.SearchError as error:
        raise RequestError(f"The sweep's configuration cannot be used: {error}") from error
    if config["method"] not in ("grid", "random"):
        raise RequestError("For the time being this local server searches by grid or random.")
    for key in ("early_terminate", "scheduler", "controller"):
        if config.get(key) is not None:
            raise RequestError(f"{key} is not served by this local server; remove it.")


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


MUTATION = {"upsert_sweep": upsert_sweep}
