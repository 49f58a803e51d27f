"""What state runs and sweeps are in.

W&B's server is closed: these rules are this server's own, chosen so that the client behaves as
its documentation says.  All states are decided here, from what arrives and from silence, because
agents and runs end without a word: neither a killed process nor one whose `--count` is reached
says anything.

A run is *live* while it is pending, running or preempting.

=====================  ==================================================  =======================
a run that is          turns, when                                         into
=====================  ==================================================  =======================
new                    it is given to an agent, enqueued or made pending   pending
new or any             a client's process starts it                        running
pending, crashed or    it posts                                            running
preempted
live                   it posts that it is being preempted                 preempting
any                    it posts its end with exit status 0                 finished
any                    … with another one, and its stop was ordered        killed
any                    … with another one, preempting                      preempted
any                    … with another one                                  failed
pending                its agent does not list it                          failed
pending                its agent is silent for 75 s and has not listed it  (goes to another agent)
pending                its agent is silent for 75 s, but has listed it     crashed
pending                no agent has it, and its stop is ordered or its     killed
                       sweep has ended
running, preempting    its agent does not list it, and its stop was        killed
                       ordered
preempting             its agent does not list it                          preempted
running                its agent does not list it for 20 s                 crashed
running, preempting    it is silent for 40 s after its stop was ordered    killed
preempting             it is silent for 120 s                              preempted
running                it is silent for 120 s                              crashed
live                   its sweep is canceled                               killed
preempted              an agent asks for work                              pending (goes to it)
running, failed,       a user asks for it, if no sweep has the run         pending
crashed, preempted
pending, running       a user asks for it, if no sweep has the run         failed
=====================  ==================================================  =======================

=====================  ==================================================  =======================
a sweep that is        turns, when                                         into
=====================  ==================================================  =======================
new                    it is registered                                    PENDING
PENDING                an agent is given its first run                     RUNNING
PENDING, RUNNING       nothing is left to try, no run is live or           FINISHED
                       preempted
any                    a user orders it, or its scheduler                  PAUSED, RUNNING,
                                                                           FINISHED, CANCELED
=====================  ==================================================  =======================

Paused sweeps give out nothing, and their runs go on.  Finished ones let their runs end; canceled
ones kill them.  Every one of the three goes on after `wandb sweep --resume`.

A pending run that its agent has listed has had a process, which the server never heard: it has
computed in offline mode, or ended before `wandb.init`.  It may be synced later, so it is not given
out again.

Every method that changes something is to be called inside `Store.writing`.
"""

import json
import time
from collections.abc import Callable

from workshop.server import lines
from workshop.server.errors import RequestError
from workshop.server.proposals import Proposals
from workshop.server.records import (
    LIVE_STATES,
    STOP_EARLY,
    STOP_ORDERED,
    Agent,
    Run,
    Sweep,
)
from workshop.server.silence import Silence
from workshop.server.stopping import Stopping
from workshop.server.store import Store

# Seconds.  A client beats every 5 (agents) and posts at least every 30 (runs); after an outage it
# may need 60 to come back.
GRACE = 20  # between an agent not listing a run any more and the run counting as crashed
AGENT_SILENCE = 75
RUN_SILENCE = 120
STOPPED_RUN_SILENCE = 40

ENDED = ("FINISHED", "CANCELED")
ORDERS = {
    "pending": ("running", "failed", "crashed", "preempted"),
    "failed": ("pending", "running"),
}


class Lifecycle:
    """Decides states for one store.

    Args:
        store: The store.
        clock: The time in seconds since 1970, for what is stored.
        elapsed: The time in seconds that has passed, for what is measured.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ):
        self._store = store
        self._clock = clock
        self.silence = Silence(elapsed)
        self._stopping = Stopping(store)
        self.proposals = Proposals(store)

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._clock()

    # ---- sweeps ----

    def set_state(self, sweep: Sweep, state: str) -> Sweep:
        """Pause, resume, stop or cancel a sweep; canceling ends its runs as well."""
        sweep = self._store.change(sweep, state=state, updated_at=self.now())
        if state == "CANCELED":
            for run in self._store.all(Run, sweep_id=sweep.id):
                if run.is_live:
                    reason = run.stop_ordered or STOP_ORDERED
                    self._store.change(run, state="killed", stop_ordered=reason)
        if state in ENDED:
            self._stopping.forget_sweep(sweep)
        return self.settle(sweep)

    def settle(self, sweep: Sweep) -> Sweep:
        """Finish a sweep if nothing is left to try and no run is to end any more."""
        if sweep.state not in ("PENDING", "RUNNING"):
            return sweep
        waiting = self._store.execute(
            "SELECT 1 FROM runs WHERE sweep_id = ? "
            "AND state IN ('pending', 'running', 'preempting', 'preempted')",
            sweep.id,
        ).fetchone()
        if waiting or not self.proposals.is_exhausted(sweep):
            return sweep
        self._stopping.forget_sweep(sweep)
        return self._store.change(sweep, state="FINISHED", updated_at=self.now())

    # ---- runs ----

    def started(self, run: Run, resumed: bool) -> Run:
        """Set a run going that a client's process starts.

        Args:
            run: The run.
            resumed: Whether it goes on with what it has logged; it starts afresh if not.

        Returns:
            The run as it is now.
        """
        changes = {
            "state": "running",
            "heartbeat_at": self.now(),
            "exit_code": None,
            "preempting": 0,
        }
        self.silence.hear(run)
        sweep = self._sweep_of(run)
        if not (sweep and sweep.state == "CANCELED"):
            changes["stop_ordered"] = 0
        if run.state == "pending" and not run.history_lines:
            changes["created_at"] = changes["heartbeat_at"]
        if not resumed:
            run = lines.forget(self._store, run)
            self._stopping.forget(run)
        return self._store.change(run, **changes)

    def rewound(self, run: Run, step: float) -> Run:
        """Take a run back to a step: what it logged behind that is gone."""
        self._stopping.forget(run)
        return lines.forget(self._store, run, step)

    def posted(self, run: Run, body: dict) -> Run:
        """Take note of a run's sign of life, its `preempting`, or its end.

        Args:
            run: The run.
            body: The post of its file stream.

        Returns:
            The run as it is now.
        """
        changes: dict = {"heartbeat_at": self.now()}
        self.silence.hear(run)
        if body.get("preempting"):
            changes["preempting"] = 1
        if not body.get("complete"):
            if run.state in ("pending", "crashed", "preempted"):
                changes["state"] = "running"
            if body.get("preempting") and run.is_live:
                changes["state"] = "preempting"
            run = self._store.change(run, **changes)
            if run.sweep_id and "wandb-history.jsonl" in (body.get("files") or {}):
                return self._terminate_early(run)
            return run
        code = body.get("exitcode") or 0
        run = self._store.change(run, exit_code=code, **changes)
        if code == 0:
            return self._end(run, "finished")
        if run.stop_ordered:
            return self._end(run, "killed")
        return self._end(run, "preempted" if run.preempting else "failed")

    def _terminate_early(self, run: Run) -> Run:
        """Order the stops that a run's new values bring about; return the run as it is now."""
        for other in self._stopping.to_stop(self._sweep_of(run)):
            self.order_stop(other, STOP_EARLY)
        return self._store.find(Run, id=run.id)

    def order_stop(self, run: Run, reason: int = STOP_ORDERED) -> Run:
        """Have a run stopped by its client or its agent; a reason that is known already stays."""
        if not run.is_live:
            return run
        run = self._store.change(run, stop_ordered=run.stop_ordered or reason)
        return self._end(run, "killed") if self._is_unattended(run) else run

    def order_state(self, run: Run, state: str) -> Run:
        """Set the state of a run as its user asks.

        Raises:
            RequestError: W&B does not allow this step.
        """
        if run.sweep_id:
            raise RequestError(
                f"The run {run.name} belongs to a sweep, which decides its state; stop the run or "
                "the sweep instead."
            )
        if run.state not in ORDERS.get(state, ()):
            steps = "; ".join(f"{new} from {', '.join(old)}" for new, old in ORDERS.items())
            raise RequestError(
                f"The run {run.name} is {run.state} and cannot be set to {state!r}; allowed are: "
                f"{steps}."
            )
        return self._store.change(run, state=state)

    def tend(self) -> None:
        """End the runs whose processes have gone silent; to be called every few seconds."""
        live = self._store.execute(f"SELECT id FROM runs WHERE state IN {LIVE_STATES}").fetchall()  # noqa: S608
        numbers = [number for (number,) in live]
        self.silence.look(numbers)
        for number in numbers:  # one at a time: each may have long texts
            run = self._store.find(Run, id=number)
            if run.state == "pending":
                self._end_pending(run)
            elif run.stop_ordered:
                if self.silence.seconds(run) > STOPPED_RUN_SILENCE:
                    self._end(run, "killed")
            elif self.silence.seconds(run) > RUN_SILENCE:
                self._end(run, "preempted" if run.preempting else "crashed")

    def _end_pending(self, run: Run) -> None:
        """End a pending run that no process works on, and that no agent will start."""
        sweep = self._sweep_of(run)
        if self._has_vanished(run):
            self._end(run, "killed" if run.stop_ordered else "crashed")
        elif sweep and (run.stop_ordered or sweep.state in ENDED) and self._is_unattended(run):
            self._end(run, "killed")

    def _is_unattended(self, run: Run) -> bool:
        """Tell whether a run is pending without an agent that has started it, or will."""
        if run.state != "pending":
            return False
        agent = self._agent_of(run)
        return agent is None or (self._is_gone(agent) and run.name not in alive(agent.run_state))

    def _has_vanished(self, run: Run) -> bool:
        """Tell whether an agent that had started a pending run is gone."""
        agent = self._agent_of(run)
        return agent is not None and self._is_gone(agent) and run.name in alive(agent.run_state)

    def _agent_of(self, run: Run) -> Agent | None:
        return self._store.find(Agent, id=run.agent_id) if run.agent_id else None

    def _is_gone(self, agent: Agent) -> bool:
        return self.silence.seconds(agent) > AGENT_SILENCE

    def _end(self, run: Run, state: str) -> Run:
        run = self._store.change(run, state=state)
        if sweep := self._sweep_of(run):
            self.settle(sweep)
        return run

    def _sweep_of(self, run: Run) -> Sweep | None:
        return self._store.find(Sweep, id=run.sweep_id) if run.sweep_id else None

    def _live_runs(self, agent: Agent) -> list[Run]:
        # With +, SQLite looks at live runs alone, not at all that the agent ever had.
        rows = self._store.execute(
            f"SELECT * FROM runs WHERE state IN {LIVE_STATES} AND +agent_id = ?",  # noqa: S608
            agent.id,
        )
        return [Run(**dict(row)) for row in rows]


def alive(run_state: str | None) -> set[str]:
    """Return the IDs of the runs that a heartbeat's `runState` lists as alive."""
    return {run_id for run_id, is_alive in json.loads(run_state or "{}").items() if is_alive}
