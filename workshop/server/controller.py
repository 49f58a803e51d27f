"""What an agent is told to do, and what state runs, sweeps and agents are in.

W&B's server is closed: these rules are this server's own, chosen so that the client behaves as
its documentation says.  All states are decided here, from what arrives and from silence, because
agents and runs end without a word: neither a killed process nor one whose `--count` is reached
says anything.

Every method that changes something is to be called inside `Store.writing`.
"""

import json
import random
import time
from collections.abc import Callable

import yaml

from workshop.server import search
from workshop.server.names import run_name
from workshop.server.records import Agent, Run, Sweep
from workshop.server.store import Store
from workshop.server.values import new_id, unwrap

# Seconds.  A client beats every 5 (agents) and posts at least every 30 (runs); after an outage it
# may need 60 to come back.
REPEAT = 4  # a heartbeat that comes sooner is the client's repetition of a lost one
GRACE = 20  # between an agent not listing a run any more and the run counting as crashed
AGENT_SILENCE = 75
RUN_SILENCE = 120
STOPPED_RUN_SILENCE = 40
DEAFNESS = 60  # between two looks at the clock: the whole machine was asleep, clients too

ENDED = ("FINISHED", "CANCELED")


class Controller:
    """Decides for one store.

    Args:
        store: The store.
        clock: The time in seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time):
        self._store = store
        self._clock = clock
        self._hearing_since = self._tended = clock()
        self._random = random.Random()  # noqa: S311

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._clock()

    # ---- agents ----

    def heartbeat(self, agent: Agent, run_state: str) -> str:
        """Answer an agent's heartbeat.

        Args:
            agent: Who beats.
            run_state: JSON text, {run ID: true} for the runs whose processes live.

        Returns:
            The commands for the agent: JSON text of a list.
        """
        now = self.now()
        repeated = now - agent.heartbeat_at < REPEAT and run_state == agent.run_state
        if repeated and agent.commands is not None:
            return agent.commands
        listed = {run_id for run_id, alive in json.loads(run_state).items() if alive}
        lost = self._account_for(agent, listed)
        commands = json.dumps(self._commands(agent, listed, lost))
        self._store.change(agent, heartbeat_at=now, run_state=run_state, commands=commands)
        return commands

    def _account_for(self, agent: Agent, listed: set[str]) -> Run | None:
        """Settle the runs that an agent was given but does not list.

        Returns:
            A run that the agent probably never heard of: it is still pending, and the server was
            restarted after it was given.
        """
        lost = None
        for run in self._live_runs(agent):
            if run.name in listed:
                if run.missing_since is not None:
                    self._store.change(run, missing_since=None)
            elif run.stop_ordered:
                self._end(run, "killed")
            elif run.preempting:
                self._end(run, "preempted")
            elif run.state == "pending":
                if agent.heartbeat_at < self._hearing_since:
                    lost = run
                else:
                    self._end(run, "failed")
            elif run.missing_since is None:
                self._store.change(run, missing_since=self.now())
            elif self.now() - run.missing_since >= GRACE:
                self._end(run, "crashed")
        return lost

    def _commands(self, agent: Agent, listed: set[str], lost: Run | None) -> list[dict]:
        sweep = self._store.find(Sweep, id=agent.sweep_id)
        if sweep.state == "CANCELED":
            return [{"type": "exit"}]
        stops = [run.name for run in self._live_runs(agent) if run.stop_ordered]
        if listed:
            return [{"type": "stop", "run_id": name} for name in stops if name in listed]
        if sweep.state == "FINISHED":
            return [{"type": "exit"}]
        if sweep.state == "PAUSED":
            return []
        run = lost or self._left_behind(sweep) or self._next(sweep, agent)
        if run is None:
            self.settle(sweep)
            return [{"type": "exit"}]
        kind = "run" if run.state == "pending" else "resume"
        self._store.change(
            run, state="pending", agent_id=agent.id, preempting=0, heartbeat_at=self.now()
        )
        config = yaml.safe_load(sweep.config)
        return [
            {
                "type": kind,
                "run_id": run.name,
                "program": config.get("program"),
                "args": json.loads(run.config),
            }
        ]

    def _left_behind(self, sweep: Sweep) -> Run | None:
        """Return a run for another agent: preempted, or given to an agent that then vanished."""
        for run in self._store.all(Run, sweep_id=sweep.id, state="preempted"):
            return run
        for run in self._store.all(Run, sweep_id=sweep.id, state="pending"):
            agent = run.agent_id and self._store.find(Agent, id=run.agent_id)
            if agent is None or self._is_silent(agent.heartbeat_at, AGENT_SILENCE):
                return run
        return None

    def _next(self, sweep: Sweep, agent: Agent) -> Run | None:
        """Create the run that the search suggests; None if there is nothing left to try."""
        past = self.past(sweep)
        point = search.suggest(yaml.safe_load(sweep.config), past, self._random)
        if point is None:
            return None
        if sweep.state == "PENDING":
            self._store.change(sweep, state="RUNNING", updated_at=self.now())
        return self._store.add(
            Run,
            project_id=sweep.project_id,
            name=new_id(),
            sweep_id=sweep.id,
            agent_id=agent.id,
            user=agent.user,
            display_name=run_name(len(past) + 1, "sweep"),
            state="pending",
            created_at=self.now(),
            heartbeat_at=self.now(),
            suggestion=json.dumps(point),
            config=json.dumps({name: {"value": value} for name, value in point.items()}),
        )

    def agent_state(self, agent: Agent) -> str:
        """Return the state of an agent as the API shows it."""
        told_to_exit = agent.commands == json.dumps([{"type": "exit"}])
        if not told_to_exit and not self._is_silent(agent.heartbeat_at, AGENT_SILENCE):
            return "RUNNING"
        runs = self._store.all(Run, agent_id=agent.id)
        lost = any(run.is_live or run.state == "crashed" for run in runs)
        return "CRASHED" if lost else "FINISHED"

    # ---- sweeps ----

    def past(self, sweep: Sweep) -> list[search.Trial]:
        """Return what a sweep has tried, in the order of its runs."""
        rows = self._store.execute(
            "SELECT suggestion, config FROM runs WHERE sweep_id = ? ORDER BY id", sweep.id
        )
        return [
            search.Trial(
                json.loads(suggestion) if suggestion else unwrap(json.loads(config)), None, False
            )
            for suggestion, config in rows
        ]

    def set_state(self, sweep: Sweep, state: str) -> Sweep:
        """Pause, resume, stop or cancel a sweep; canceling ends its runs as well."""
        if state == "CANCELED":
            for run in self._store.all(Run, sweep_id=sweep.id):
                if run.is_live:
                    self._store.change(run, state="killed", stop_ordered=1)
        return self._store.change(sweep, state=state, updated_at=self.now())

    def settle(self, sweep: Sweep) -> None:
        """Finish a running sweep if nothing is left to try and no run is to end any more."""
        waiting = self._store.execute(
            "SELECT 1 FROM runs WHERE sweep_id = ? "
            "AND state IN ('pending', 'running', 'preempting', 'preempted')",
            sweep.id,
        ).fetchone()
        if sweep.state != "RUNNING" or waiting:
            return
        config = yaml.safe_load(sweep.config)
        if search.is_exhausted(config, self.past(sweep)):
            self._store.change(sweep, state="FINISHED", updated_at=self.now())

    # ---- runs ----

    def posted(self, run: Run, body: dict) -> Run:
        """Take note of a run's sign of life, its `preempting`, or its end.

        Args:
            run: The run.
            body: The post of its file stream.

        Returns:
            The run as it is now.
        """
        changes: dict = {"heartbeat_at": self.now(), "missing_since": None}
        if body.get("preempting"):
            changes["preempting"] = 1
        if not body.get("complete"):
            if run.state in ("pending", "crashed", "preempted"):
                changes["state"] = "running"
            if body.get("preempting") and run.is_live:
                changes["state"] = "preempting"
            return self._store.change(run, **changes)
        code = body.get("exitcode") or 0
        run = self._store.change(run, exit_code=code, **changes)
        if code == 0:
            return self._end(run, "finished")
        if run.stop_ordered:
            return self._end(run, "killed")
        return self._end(run, "preempted" if run.preempting else "failed")

    def order_stop(self, run: Run) -> Run:
        """Have a run stopped by its client or its agent."""
        return self._store.change(run, stop_ordered=1) if run.is_live else run

    def tend(self) -> None:
        """End the runs whose processes have gone silent; to be called every few seconds."""
        now = self.now()
        if now - self._tended > DEAFNESS:
            self._hearing_since = now
        self._tended = now
        for run in self._live_runs():
            if run.state == "pending":
                self._drop_if_unwanted(run)
            elif run.stop_ordered:
                if self._is_silent(run.heartbeat_at, STOPPED_RUN_SILENCE):
                    self._end(run, "killed")
            elif self._is_silent(run.heartbeat_at, RUN_SILENCE):
                self._end(run, "preempted" if run.preempting else "crashed")

    def _drop_if_unwanted(self, run: Run) -> None:
        """Fail a run that nobody will start: its agent is gone and its sweep has ended."""
        sweep = run.sweep_id and self._store.find(Sweep, id=run.sweep_id)
        agent = run.agent_id and self._store.find(Agent, id=run.agent_id)
        gone = agent and self._is_silent(agent.heartbeat_at, AGENT_SILENCE)
        if sweep and sweep.state in ENDED and gone:
            self._end(run, "failed")

    def _end(self, run: Run, state: str) -> Run:
        run = self._store.change(run, state=state, missing_since=None)
        sweep = run.sweep_id and self._store.find(Sweep, id=run.sweep_id)
        if sweep:
            self.settle(sweep)
        return run

    def _live_runs(self, agent: Agent | None = None) -> list[Run]:
        statement = "SELECT * FROM runs WHERE state IN ('pending', 'running', 'preempting')"
        if agent is None:
            rows = self._store.execute(statement)
        else:
            rows = self._store.execute(f"{statement} AND agent_id = ?", agent.id)
        return [Run(**dict(row)) for row in rows]

    def _is_silent(self, heartbeat_at: float, seconds: float) -> bool:
        """Tell whether nothing came for a while, during which this server was there to hear."""
        return self.now() - max(heartbeat_at, self._hearing_since) > seconds
