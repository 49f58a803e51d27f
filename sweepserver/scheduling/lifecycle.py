"""The states of runs and sweeps.

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
live                   there is no room for what it posts                  failed
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
RUNNING                it has a scheduler, and as many runs as `run_cap`   FINISHED
                       have ended, not all of them finished
any                    a user orders it, or its scheduler                  PAUSED, RUNNING,
                                                                           FINISHED, CANCELED
=====================  ==================================================  =======================

Paused sweeps hand out nothing, and their runs continue.  Finished ones let their runs end; canceled
ones kill them.  `wandb sweep --resume` continues any of the three.

A pending run that its agent has listed had a process that never contacted the server: it ran in
offline mode, or ended before `wandb.init`.  It may be synced later, so it is not handed out again.

Every method that changes something is to be called inside `Store.writing`.
"""

import json
import time
from collections.abc import Callable
from types import SimpleNamespace

from sweepserver.errors import RequestError, Unready
from sweepserver.scheduling import run_cap
from sweepserver.scheduling.early_termination import EarlyTermination
from sweepserver.scheduling.proposals import Proposals
from sweepserver.scheduling.silence import Silence
from sweepserver.store import history
from sweepserver.store.database import Store
from sweepserver.store.records import LIVE_STATES, STOP_EARLY, STOP_ORDERED, Agent, Run, Sweep
from sweepserver.values import timestamp

# Agents beat every 5 s, runs post at least every 30 s; after an outage they may need 60 s to come
# back.
UNLISTED_RUN_S = 20  # between an agent not listing a run any more and the run counting as crashed
AGENT_SILENCE_S = 75
RUN_SILENCE_S = 120
STOPPED_RUN_SILENCE_S = 40
RUNS_ENDED_AT_ONCE = 20  # within one transaction, for which others wait

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
        self._early_termination = EarlyTermination(store)
        self.proposals = Proposals(store)

    def now(self) -> float:
        """Return the time in seconds since 1970."""
        return self._clock()

    # ---- sweeps ----

    def set_state(self, sweep: Sweep, state: str) -> Sweep:
        """Pause, resume, stop or cancel a sweep; canceling ends its runs as well.

        Raises:
            Unready: Many runs are to be ended first.
        """
        sweep = self._store.change(sweep, state=state, updated_at=self.now())
        if state == "CANCELED" and self._kill_some(sweep) == RUNS_ENDED_AT_ONCE:
            raise Unready((self.kill_runs, sweep))
        if state in ENDED:
            self._early_termination.forget_sweep(sweep)
        return self.finish_if_exhausted(sweep)

    def kill_runs(self, sweep: Sweep) -> None:
        """End the live runs of a sweep in several transactions, so that others can write."""
        killed = RUNS_ENDED_AT_ONCE
        while killed == RUNS_ENDED_AT_ONCE:
            with self._store.writing():
                killed = self._kill_some(sweep)

    def _kill_some(self, sweep: Sweep) -> int:
        """End some live runs of a sweep, which rewrites their texts; return how many."""
        return self._store.execute(
            "UPDATE runs SET state = 'killed', stop_ordered = max(stop_ordered, ?) WHERE id IN "  # noqa: S608
            f"(SELECT id FROM runs WHERE sweep_id = ? AND state IN {LIVE_STATES} LIMIT ?)",
            STOP_ORDERED,
            sweep.id,
            RUNS_ENDED_AT_ONCE,
        ).rowcount

    def finish_if_exhausted(self, sweep: Sweep) -> Sweep:
        """Finish a sweep if there is nothing left to try and all its runs have ended."""
        if sweep.state not in ("PENDING", "RUNNING") or not self._is_over(sweep):
            return sweep
        self._early_termination.forget_sweep(sweep)
        return self._store.change(sweep, state="FINISHED", updated_at=self.now())

    def _is_over(self, sweep: Sweep) -> bool:
        """Return whether a sweep has nothing left to try and all its runs have ended."""
        if sweep.is_scheduled:
            return run_cap.ends_here(self._store, sweep)
        waiting = self._store.execute(
            "SELECT 1 FROM runs WHERE sweep_id = ? "
            "AND state IN ('pending', 'running', 'preempting', 'preempted')",
            sweep.id,
        ).fetchone()
        return not waiting and self.proposals.is_exhausted(sweep)

    # ---- runs ----

    def started(self, run: Run, resumed: bool) -> Run:
        """Mark a run as running that a client's process starts.

        Args:
            run: The run.
            resumed: Whether it continues what it has logged; otherwise it starts over.

        Returns:
            The run as it is now.
        """
        changes = {
            "state": "running",
            "heartbeat_at": self.now(),
            "exit_code": None,
            "preempting": 0,
        }
        self.silence.touch(run)
        sweep = self._sweep_of(run)
        if not (sweep and sweep.state == "CANCELED"):
            changes["stop_ordered"] = 0
        if run.state == "pending" and not run.history_lines:
            changes["created_at"] = changes["heartbeat_at"]
        if not resumed:
            run = history.forget(self._store, run)
            self._early_termination.forget(run)
        return self._store.change(run, **changes)

    def rewound(self, run: Run, step: float) -> Run:
        """Rewind a run to a step, discarding what it logged after it."""
        self._early_termination.forget(run)
        return history.forget(self._store, run, step)

    def posted(self, run: Run, body: dict) -> Run:
        """Record a run's sign of life, its `preempting`, or its end.

        Args:
            run: The run.
            body: The post of its file stream.

        Returns:
            The run as it is now.
        """
        changes: dict = {"heartbeat_at": self.now()}
        self.silence.touch(run)
        if body.get("preempting"):
            changes["preempting"] = 1
        if not body.get("complete"):
            if run.state in ("pending", "crashed", "preempted"):
                changes["state"] = "running"
            if body.get("preempting") and run.is_live:
                changes["state"] = "preempting"
            run = self._store.change(run, **changes)
            has_history = "wandb-history.jsonl" in (body.get("files") or {})
            if has_history and (sweep := self._sweep_of(run)):
                return self._terminate_early(run, sweep)
            return run
        code = body.get("exitcode") or 0
        run = self._store.change(run, exit_code=code, **changes)
        if code == 0:
            return self.end(run, "finished")
        if run.stop_ordered:
            return self.end(run, "killed")
        return self.end(run, "preempted" if run.preempting else "failed")

    def refused(self, run: Run, reason: str) -> Run:
        """Fail a live run for whose post there was no room, and say so in its console.

        After the refusal, the client uploads nothing more of the run, not even its end.  It doesn't
        stop the program.

        Args:
            run: The run.
            reason: Why it was refused.
        """
        if not run.is_live:
            return run
        line = (
            f"ERROR {timestamp(self.now())} {reason} What this run logged after that was not "
            "uploaded; the client keeps it on its own disk for `wandb sync`."
        )
        self._store.execute(
            "INSERT INTO console (run_id, line, row) VALUES (?, ?, ?)", run.id, run.log_lines, line
        )
        return self.end(self._store.change(run, log_lines=run.log_lines + 1), "failed")

    def _terminate_early(self, run: Run, sweep: Sweep) -> Run:
        """Order the stops that a run's new values cause; return the updated run."""
        for other in self._early_termination.to_stop(sweep):
            self.order_stop(other, STOP_EARLY)
        return self._store.get(Run, run.id)

    def order_stop(self, run: Run, reason: int = STOP_ORDERED) -> Run:
        """Order a run's client or agent to stop it; an earlier reason is kept."""
        if not run.is_live:
            return run
        run = self._store.change(run, stop_ordered=run.stop_ordered or reason)
        return self.end(run, "killed") if self.is_unattended(run) else run

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

    def reap_silent_runs(self) -> bool:
        """End some runs whose processes have gone silent; to be called every few seconds.

        Returns:
            Whether there may be more: then call it again, in another transaction.
        """
        # Without their texts, which may be long.
        rows = self._store.execute(
            "SELECT id, name, state, sweep_id, agent_id, stop_ordered, preempting "  # noqa: S608
            f"FROM runs WHERE state IN {LIVE_STATES}"
        )
        live = [SimpleNamespace(**dict(row)) for row in rows]
        self.silence.look([run.id for run in live])
        ended = 0
        for run in live:
            if state := self._end_of(run):
                self.end(self._store.get(Run, run.id), state)
                ended += 1
            if ended == RUNS_ENDED_AT_ONCE:
                return True
        return False

    def _end_of(self, run: SimpleNamespace) -> str | None:
        """Return the state in which a live run has ended; None if it hasn't."""
        silent = self.silence.seconds_of(Run, run.id)
        if run.state == "pending":
            return self._end_of_pending(run)
        if run.stop_ordered:
            return "killed" if silent > STOPPED_RUN_SILENCE_S else None
        if silent > RUN_SILENCE_S:
            return "preempted" if run.preempting else "crashed"
        return None

    def _end_of_pending(self, run: SimpleNamespace) -> str | None:
        """Return the same of a pending run, which ends if no process has it and no agent will."""
        sweep = self._sweep_of(run)
        if self._has_vanished(run):
            return "killed" if run.stop_ordered else "crashed"
        is_unwanted = sweep and (run.stop_ordered or sweep.state in ENDED)
        return "killed" if is_unwanted and self.is_unattended(run) else None

    def is_unattended(self, run: Run | SimpleNamespace) -> bool:
        """Return whether a run is pending without an agent that has started it, or will."""
        if run.state != "pending":
            return False
        agent = self._agent_of(run)
        return agent is None or (self.is_gone(agent) and run.name not in alive(agent.run_state))

    def _has_vanished(self, run: SimpleNamespace) -> bool:
        """Return whether an agent that had started a pending run is gone."""
        agent = self._agent_of(run)
        return agent is not None and self.is_gone(agent) and run.name in alive(agent.run_state)

    def _agent_of(self, run: Run | SimpleNamespace) -> Agent | None:
        return self._store.find(Agent, id=run.agent_id) if run.agent_id else None

    def is_gone(self, agent: Agent) -> bool:
        """Return whether an agent has been silent for so long that it is not coming back."""
        return self.silence.seconds(agent) > AGENT_SILENCE_S

    def end(self, run: Run, state: str) -> Run:
        """End a run, and its sweep if it was the last one."""
        run = self._store.change(run, state=state)
        if sweep := self._sweep_of(run):
            self.finish_if_exhausted(sweep)
        return run

    def _sweep_of(self, run: Run | SimpleNamespace) -> Sweep | None:
        return self._store.find(Sweep, id=run.sweep_id) if run.sweep_id else None

    def live_runs(self, agent: Agent) -> list[Run]:
        """Return the runs that an agent was given and that have not ended."""
        # With +, SQLite looks at live runs alone, not at all that the agent ever had.
        rows = self._store.execute(
            f"SELECT * FROM runs WHERE state IN {LIVE_STATES} AND +agent_id = ?",  # noqa: S608
            agent.id,
        )
        return [Run(**dict(row)) for row in rows]


def alive(run_state: str | None) -> set[str]:
    """Return the IDs of the runs that a heartbeat's `runState` lists as alive."""
    return {run_id for run_id, is_alive in json.loads(run_state or "{}").items() if is_alive}
