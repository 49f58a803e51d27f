"""Agents of sweeps."""

from functools import partial

from sweepserver.api.resolvers.context import Context, global_id, runs_connection
from sweepserver.api.resolvers.sweeps import sweep_by_name
from sweepserver.errors import RequestError
from sweepserver.store.records import Agent, Run
from sweepserver.values import new_id, parse_object, timestamp

MOST_RUNS_ALIVE = 1000  # that one agent keeps alive


class AgentNode:
    """An agent."""

    def __init__(self, agent: Agent):
        self.record = agent
        self.id = global_id(agent)
        self.name = agent.name
        self.host = agent.host
        self.created_at = timestamp(agent.created_at)
        self.heartbeat_at = timestamp(agent.heartbeat_at)

    def state(self, context: Context) -> str:
        """Return RUNNING, FINISHED or CRASHED."""
        return context.dispatcher.agent_state(self.record)

    def total_runs(self, context: Context) -> int:
        """Return how many runs the agent was given."""
        return context.store.count(Run, agent_id=self.record.id)

    def runs(
        self,
        context: Context,
        after: str | None = None,
        before: str | None = None,
        first: int | None = None,
        last: int | None = None,
        order: str | None = None,
    ) -> dict:
        """Return a page of the agent's runs, the oldest first, which is what clients ask for."""
        return runs_connection(
            context,
            ("agent", self.record.id),
            lambda: context.store.ids(Run, agent_id=self.record.id),
            first,
            after,
        )


def create_agent(context: Context, input: dict) -> dict:
    """Register an agent for a sweep."""
    sweep = sweep_by_name(
        context, input["sweep"], input.get("project_name"), input.get("entity_name")
    )
    context.require_owner(context.project_of(sweep).entity)
    now = context.lifecycle.now()
    agent = context.store.add(
        Agent,
        sweep_id=sweep.id,
        name=new_id(),
        user=context.user.name,
        host=input["host"],
        created_at=now,
        heartbeat_at=now,
    )
    context.lifecycle.silence.touch(agent)
    context.afterwards.append(partial(context.lifecycle.proposals.warm, sweep, context.compute))
    return {"agent": agent}


def agent_heartbeat(context: Context, input: dict) -> dict:
    """Tell an agent what to do."""
    agent = context.by_global_id(Agent, input["id"])
    run_state = input.get("run_state") or "{}"
    if len(parse_object(run_state, "runState")) > MOST_RUNS_ALIVE:
        raise RequestError(
            f"runState lists more than {MOST_RUNS_ALIVE} runs, more than any agent works on."
        )
    commands = context.dispatcher.heartbeat(agent, run_state, context.prepared)
    return {"agent": agent, "commands": commands}


MUTATION = {"create_agent": create_agent, "agent_heartbeat": agent_heartbeat}
