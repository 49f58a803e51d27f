"""What an agent is told to do.

An agent sends a heartbeat every five seconds, with the runs that it keeps alive.  It gets one run
at a time: first one that another agent left behind, then one that was enqueued, then a new one.
It is never told to exit while it still runs something, because it would kill that, unless its
sweep is canceled.

Every method that changes something is to be called inside `Store.writing`.
"""

import json
from collections.abc import Iterator

from sweepserver.scheduling import run_cap
from sweepserver.scheduling.lifecycle import UNLISTED_RUN_S, Lifecycle, alive
from sweepserver.scheduling.names import run_name
from sweepserver.scheduling.proposals import NoSuggestion, Prepared, wrap
from sweepserver.store.database import Store
from sweepserver.store.records import LIVE_STATES, Agent, Run, Sweep
from sweepserver.values import new_id, unwrap

REPETITION_S = 4  # a heartbeat that comes sooner is the client's repetition of a lost one
EXIT = {"type": "exit"}


class Dispatcher:
    """Hands out runs to the agents of one store.

    Args:
        store: The store.
        lifecycle: Decides the states of its runs and sweeps.
    """

    def __init__(self, store: Store, lifecycle: Lifecycle):
        self._store = store
        self._lifecycle = lifecycle

    def heartbeat(self, agent: Agent, run_state: str, prepared: Prepared | None = None) -> str:
        """Answer an agent's heartbeat.

        Args:
            agent: Who beats.
            run_state: JSON text, {run ID: true} for the runs whose processes live.
            prepared: The point that was computed for this heartbeat, if it was pending.

        Returns:
            The commands for the agent: JSON text of a list.

        Raises:
            SuggestionPending: A point must be computed first.
        """
        if agent.commands is not None and self._is_repetition(agent, run_state):
            return agent.commands
        listed = alive(run_state)
        self._account_for(agent, listed)
        commands = json.dumps(self._commands(agent, listed, prepared))
        self._store.change(
            agent, heartbeat_at=self._lifecycle.now(), run_state=run_state, commands=commands
        )
        self._lifecycle.silence.touch(agent)
        return commands

    def _is_repetition(self, agent: Agent, run_state: str) -> bool:
        """Return whether the client sends a heartbeat again because the answer was lost."""
        if run_state != agent.run_state:
            return False
        if self._lifecycle.silence.has_heard(agent):
            return self._lifecycle.silence.seconds(agent) < REPETITION_S
        # Another process of this server heard the agent last, and the clock may have been set.
        return abs(self._lifecycle.now() - agent.heartbeat_at) < REPETITION_S

    def _account_for(self, agent: Agent, listed: set[str]) -> None:
        """Update the states of the runs that an agent was given but doesn't list."""
        for run in self._lifecycle.live_runs(agent):
            if run.name in listed:
                self._lifecycle.silence.found(run)
            elif run.stop_ordered:
                self._lifecycle.end(run, "killed")
            elif run.preempting:
                self._lifecycle.end(run, "preempted")
            elif run.state == "pending":
                if not self._lifecycle.silence.has_heard(agent) and run.name not in alive(
                    agent.run_state
                ):
                    # The server was restarted after it had given the run away: the agent has
                    # probably never heard of it.
                    self._store.change(run, agent_id=None)
                else:
                    self._lifecycle.end(run, "failed")
            elif self._lifecycle.silence.miss(run) >= UNLISTED_RUN_S:
                self._lifecycle.end(run, "crashed")

    def _commands(self, agent: Agent, listed: set[str], prepared: Prepared | None) -> list[dict]:
        sweep = self._store.get(Sweep, agent.sweep_id)
        if sweep.state == "CANCELED":
            return [EXIT]
        if listed:
            return [
                {"type": "stop", "run_id": name}
                for name in sorted(listed)
                if self._is_unwanted(self._store.find(Run, project_id=sweep.project_id, name=name))
            ]
        if sweep.state == "FINISHED":
            return [EXIT]
        if sweep.state == "PAUSED":
            return []
        run = self._left_behind(sweep) or self._new_run(sweep, agent, prepared)
        if run is NoSuggestion.NOT_YET:
            return []
        if run is NoSuggestion.EXHAUSTED:
            self._lifecycle.finish_if_exhausted(sweep)
            return [EXIT]
        return [self._give(run, sweep, agent)]

    @staticmethod
    def _is_unwanted(run: Run | None) -> bool:
        """Return whether a run that an agent lists is to be stopped, or was deleted."""
        return run is None or (run.is_live and bool(run.stop_ordered))

    def _give(self, run: Run, sweep: Sweep, agent: Agent) -> dict:
        """Return the command that hands a run to an agent."""
        if sweep.state == "PENDING":
            self._store.change(sweep, state="RUNNING", updated_at=self._lifecycle.now())
        kind = "run" if run.state == "pending" else "resume"
        self._lifecycle.silence.touch(run)
        self._store.change(
            run,
            state="pending",
            agent_id=agent.id,
            user=agent.user,
            preempting=0,
            heartbeat_at=self._lifecycle.now(),
        )
        return {
            "type": kind,
            "run_id": run.name,
            "program": sweep.settings.get("program"),
            "args": wrap(
                json.loads(run.suggestion) if run.suggestion else unwrap(json.loads(run.config))
            ),
        }

    def _left_behind(self, sweep: Sweep) -> Run | None:
        """Return a run for any agent: preempted, enqueued, or one that its agent never started."""
        for run in self._runs(sweep, "preempted"):
            return run
        for run in self._runs(sweep, "pending"):
            if not self._lifecycle.is_unattended(run) or run.stop_ordered:
                continue
            if run.agent_id is not None or run_cap.may_begin(self._store, sweep):
                return run
        return None

    def _runs(self, sweep: Sweep, state: str) -> Iterator[Run]:
        """Yield the runs of a sweep in a state, one at a time: each may have long texts."""
        statement = "SELECT id FROM runs WHERE sweep_id = ? AND state = ? ORDER BY id"
        for (number,) in self._store.execute(statement, sweep.id, state).fetchall():
            yield self._store.get(Run, number)

    def _new_run(self, sweep: Sweep, agent: Agent, prepared: Prepared | None) -> Run | NoSuggestion:
        """Create the run that the search proposes."""
        point = self._lifecycle.proposals.next(sweep, prepared)
        if isinstance(point, NoSuggestion):
            return point
        run = self.enqueue(sweep, point, agent.user)
        self._lifecycle.proposals.taken(sweep, run)
        return run

    def enqueue(
        self, sweep: Sweep, config: dict, user: str, display_name: str | None = None
    ) -> Run:
        """Create a run of a sweep, to be given to an agent.

        Args:
            sweep: The sweep.
            config: The point to try: {key: {"value": …}}.
            user: Whose it is until an agent takes it.
            display_name: The name that users see; made if None.
        """
        number = self._lifecycle.proposals.trials.of(sweep).count + 1
        return self._store.add(
            Run,
            project_id=sweep.project_id,
            name=new_id(),
            sweep_id=sweep.id,
            user=user,
            display_name=display_name or run_name(number, "sweep"),
            state="pending",
            created_at=self._lifecycle.now(),
            heartbeat_at=self._lifecycle.now(),
            suggestion=json.dumps(unwrap(config)),
            config=json.dumps(config),
        )

    def agent_state(self, agent: Agent) -> str:
        """Return the state of an agent as the API shows it."""
        told_to_exit = agent.commands == json.dumps([EXIT])
        if not told_to_exit and not self._lifecycle.is_gone(agent):
            return "RUNNING"
        runs = self._store.columns(Run, ("state",), agent_id=agent.id)
        lost = any(run.state in (*LIVE_STATES, "crashed") for run in runs)
        return "CRASHED" if lost else "FINISHED"
