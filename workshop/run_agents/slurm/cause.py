"""The cause of an array task's state, in words: a pure function of what is known about it."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from workshop.run_agents.program_output import last_words, printed
from workshop.run_agents.slurm.accounting import SlurmStart
from workshop.run_agents.slurm.journal import Start

KINDS = (
    "finished", "code error", "out of memory", "time limit", "preempted and resumed", "cancelled",
    "node failure", "no work left", "no run", "stopped", "stopped early",
    "lost", "running", "waiting", "unknown",
)  # fmt: skip

# What SLURM calls the reasons to wait (squeue's manual page, "JOB REASON CODES").
_WAITING = {
    "None": "SLURM has not considered it yet",
    "Resources": "all suitable nodes are busy",
    "Priority": "other jobs are ahead of it in the queue",
    "JobArrayTaskLimit": "as many tasks of this array are running as may run at once",
    "Dependency": "it starts once the probe has reached the server from a node",
    "DependencyNeverSatisfied": "it will not start, because the probe did not reach the server",
    "JobHeldUser": "you or `workshop submit` hold it",
    "JobHeldAdmin": "an administrator holds it",
    "BeginTime": "it starts again in a moment, or at the time that was asked for",
    "ReqNodeNotAvail": "the nodes that it needs are reserved or down",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is not accepting jobs at the moment",
    "PartitionTimeLimit": "it asks for more time than its partition allows",
    "Licenses": "it waits for a license",
}

# How an earlier start ended.
_INTERRUPTED = {
    "TIMEOUT": "it reached its time limit",
    "PREEMPTED": "another job took its place",
    "CANCELLED": "it was cancelled",
    "OUT_OF_MEMORY": "it ran out of memory",
    "UNKNOWN": "it was interrupted",
}
# The same for a start that SLURM warned, by whether it made room for another job (None: unknown).
_WARNED = {
    True: "it was preempted: another job took its place",
    False: "it was warned that its time was up",
    None: "it was asked to stop",
}
# The exit status of a script that got SIGTERM, and of one that was killed: it recorded none.
_TERMINATED = 143
_KILLED = (None, _TERMINATED)
_RUNNING = ("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING")

# What SLURM and the kernel write into a log when memory is used up, and what PyTorch raises.
_MEMORY = re.compile(
    r"exceeded .*memory limit|oom[-_ ]kill|out[- ]of[- ]memory|OutOfMemoryError|MemoryError",
    re.IGNORECASE,
)
# The line that SLURM's daemon writes into a log when it ends a task, and the state that it means.
_EPITAPH = re.compile(
    r"^slurmstepd.* CANCELLED AT \S+(?: DUE TO ([A-Z ]+))?.* \*\*\*|^(Array) \d+, task ",
    re.MULTILINE,
)
_EPITAPHS = {
    None: "CANCELLED",
    "TIME LIMIT": "TIMEOUT",
    "PREEMPTION": "PREEMPTED",
    "JOB REQUEUE": "REQUEUED",
    "NODE FAILURE": "NODE_FAIL",
}


class Cause(NamedTuple):
    """A cause: one of `KINDS`, and details."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


@dataclass(frozen=True)
class Facts:
    """What is known about a task and one run of it.

    Attributes:
        slurm: its starts as SLURM knows them, the newest last; empty if SLURM has forgotten it.
        starts: its starts, from its own journal.
        run_state: the run's state on the server; "" if there is no run.
        has_run: whether the task's agent was ever given a run.
        moved_to: the task in which the run continued, such as `17_4`; "" if it is this one.  If
            another task continued it, `run_state` is the state in which this task left it.
        log: the task's output, or the part that belongs to the run.
        cancellation: why the circuit breaker cancelled tasks of this array; "" if it did not.
        slurm_is_silent: whether SLURM did not answer, so that `slurm` may be out of date.
        has_begun: whether the program that was given the run has reached `wandb.init`.
        is_past: whether the task's agent has been given another run since.
        stopped_early: whether the sweep's early termination ended the run.
    """

    slurm: Sequence[SlurmStart] = ()
    starts: Sequence[Start] = ()
    run_state: str = ""
    has_run: bool = False
    moved_to: str = ""
    log: str = ""
    cancellation: str = ""
    slurm_is_silent: bool = False
    has_begun: bool = True
    is_past: bool = False
    stopped_early: bool = False


def cause(facts: Facts) -> Cause:
    """Return the cause of a task's state, for one of its runs."""
    state = _state(facts)
    last = facts.starts[-1] if facts.starts else None
    is_live = state == "PENDING" or state in _RUNNING
    if not _is_over(facts):
        if facts.slurm_is_silent and (is_live or (state == "UNKNOWN" and not _has_ended(last))):
            return Cause("unknown", "SLURM does not answer" + _ended_run(facts))
        if is_live:
            return _waiting(facts) if state == "PENDING" else _running(facts)
    if facts.moved_to:
        return _moved(facts, state, last)
    if facts.run_state == "finished":
        if last and last.gave_up and not is_live and not facts.is_past:
            return Cause(
                "code error",
                "its program ended with an exit status that is not 0 after its run had finished, "
                f"and its agent gave up: {last.gave_up}",
            )
        return Cause("finished") if is_live else _finished(facts)
    if facts.stopped_early:
        return Cause("stopped early", "it was behind other runs when they were compared")
    if last and last.surplus and not facts.has_run:
        return Cause("no work left", f"the sweep was {last.surplus}")
    return (
        _out_of_memory(facts, state)
        or _ended_by_slurm(facts, state)
        or _failed(facts, last)
        or _forgotten(facts)
    )


def _state(facts: Facts) -> str:
    """Return SLURM's state of a task's newest start, taken from the log if SLURM has forgotten."""
    state = facts.slurm[-1].state if facts.slurm else "UNKNOWN"
    if state == "UNKNOWN" and (found := [*_EPITAPH.finditer(facts.log)]):
        reason, of_a_start = found[-1].groups()
        if not of_a_start:  # it is from the last start
            state = _EPITAPHS.get(reason and reason.strip(), "UNKNOWN")
    return state


def _has_ended(last: Start | None) -> bool:
    return last is not None and last.ended is not None


def _is_over(facts: Facts) -> bool:
    """Return whether a task is done with a run; the task may still run, or be started again."""
    return facts.is_past and not facts.moved_to and facts.run_state != "preempted"


def _waiting(facts: Facts) -> Cause:
    reason = facts.slurm[-1].reason.rstrip(",")
    words = _WAITING.get(reason.partition(",")[0], f"SLURM says {reason}")
    if reason.startswith(("Assoc", "QOS")):
        words = f"a limit of your account or quality of service is reached ({reason})"
    if interruptions := _interruptions(facts):
        words = f"{interruptions}; {words}"
    return Cause("waiting", words + _ended_run(facts))


def _running(facts: Facts) -> Cause:
    last = facts.slurm[-1]
    detail = f"on {last.node}" if last.node else ""
    if interruptions := _interruptions(facts):
        detail += f", in start {_starts(facts)}: {interruptions}"
    if facts.starts and facts.starts[-1].away:
        detail += "; it is waiting for the server, which does not answer"
    return Cause("running", detail + _ended_run(facts))


def _ended_run(facts: Facts) -> str:
    """Return a note that the run has ended, for a task that is still live; else nothing."""
    has_ended = facts.run_state in ("finished", "failed", "killed") and not facts.moved_to
    return f"; its run is {facts.run_state}" if has_ended else ""


def _finished(facts: Facts) -> Cause:
    if not (interruptions := _interruptions(facts)):
        return Cause("finished")
    return Cause(_resumed(facts), f"{interruptions}; finished in start {_starts(facts)}")


def _moved(facts: Facts, state: str, last: Start | None) -> Cause:
    """Return why a task did not finish its run, which another task continued."""
    resumed = Cause(_resumed(facts), _interruptions(facts))
    own: Cause | None
    if state == "COMPLETED" or (last and (last.status == 0 or last.requeued)):
        own = resumed
    else:
        own = _out_of_memory(facts, state) or _ended_by_slurm(facts, state) or _failed(facts, last)
    if not own:
        was_interrupted = len(facts.starts) > 1 or facts.run_state == "preempted"
        own = resumed if was_interrupted else _forgotten(facts)
    return Cause(own.kind, f"{own.detail}; its run continued in task {facts.moved_to}".lstrip("; "))


def _resumed(facts: Facts) -> str:
    """Return the kind of cause of a task that was started again."""
    failed_node = any(start.state == "NODE_FAIL" for start in facts.slurm[:-1])
    return "node failure" if failed_node else "preempted and resumed"


def _starts(facts: Facts) -> int:
    return max(len(facts.starts), len([one for one in facts.slurm if one.began]))


def _interruptions(facts: Facts) -> str:
    """Return why the earlier starts ended, each reason once; empty if there was only one start."""
    words = []
    for earlier, later in pairwise(facts.slurm):
        noted = [start for start in facts.starts if _is_same(start, earlier, later)]
        warned = next((start for start in noted if start.warned), None)
        if warned:
            words.append(_WARNED[warned.preempted])
        elif earlier.state == "NODE_FAIL":
            words.append(f"its node failed ({earlier.node})")
        else:
            words.append(_INTERRUPTED.get(earlier.state, "it was put back into the queue"))
    if not words:  # SLURM has forgotten its starts
        words = [
            _WARNED[start.preempted] if start.warned else _INTERRUPTED["UNKNOWN"]
            for start in facts.starts[:-1]
        ]
    return ", ".join(
        word if times == 1 else f"{word} ({times} times)" for word, times in Counter(words).items()
    )


def _is_same(noted: Start, known: SlurmStart, later: SlurmStart) -> bool:
    """Return whether a start in a task's journal is one that SLURM knows, given the next one."""
    # The journal has whole seconds.
    end = known.over or later.began or math.inf
    return (known.began or 0) - 1 <= noted.began <= end + 1


def _out_of_memory(facts: Facts, state: str) -> Cause | None:
    found = next((line for line in facts.log.splitlines() if _MEMORY.search(line)), "")
    if state != "OUT_OF_MEMORY" and not found:
        return None
    on_gpu = "CUDA" in found
    advice = "a smaller batch_size" if on_gpu else "a larger `memory` in the site profile"
    whose = "the GPU's memory" if on_gpu else "the task's memory"
    return Cause("out of memory", f"{whose} was not enough: use {advice}")


def _ended_by_slurm(facts: Facts, state: str) -> Cause | None:
    if facts.cancellation and not facts.starts and state in ("CANCELLED", "UNKNOWN"):
        return Cause("cancelled", facts.cancellation.partition(";")[0])
    if state == "CANCELLED":
        return Cause("cancelled", "while it was running" if facts.starts else "before it started")
    if state in ("TIMEOUT", "DEADLINE"):
        return Cause("time limit", "it reached its time limit before its run ended")
    if state in ("NODE_FAIL", "BOOT_FAIL"):
        node = (facts.starts or facts.slurm)[-1].node
        return Cause("node failure", f"{node} failed, and SLURM did not start it again")
    if state == "PREEMPTED":
        return Cause("cancelled", "another job took its place, and SLURM did not start it again")
    return None


def _failed(facts: Facts, last: Start | None) -> Cause | None:
    if not facts.has_run:
        return _without_run(facts, last)
    if facts.run_state == "killed":
        return Cause("stopped", "the server or a user stopped the run")
    if last and last.status == _TERMINATED and not (last.warned or facts.is_past):
        return Cause("lost", "the task got SIGTERM from somebody, or from its node")
    lines = printed(facts.log)
    words = last_words("\n".join(lines))
    if not words and not facts.has_begun and lines:
        words = lines[-1].strip()
    if facts.run_state == "failed" and facts.has_begun:
        words = words or "the program ended with a nonzero exit status"
    if words:
        return Cause("code error", words)
    if last is None:
        return None
    if last.warned and not facts.is_past:
        return Cause("time limit", "it reached its time limit, and was not put back into the queue")
    if last.status in _KILLED and not facts.is_past:
        return _killed(facts)
    if not facts.has_begun:
        return Cause("lost", "its program ended before its run began, without an error message")
    run = f" (the run is {facts.run_state})" if facts.run_state else ""
    return Cause("lost", f"its program was killed and left no error message{run}")


def _without_run(facts: Facts, last: Start | None) -> Cause | None:
    if last is None:
        said = facts.log.strip().splitlines()
        return Cause("no run", said[-1]) if said else None
    if last.idle:
        return Cause(
            "no run",
            "its agent got no run in time: is the sweep paused, or is its scheduler not running?",
        )
    if words := last_words(facts.log):
        return Cause("no run", words)
    if last.status in _KILLED:
        return _killed(facts)
    return Cause("no run", f"the script ended with exit status {last.status}")


def _killed(facts: Facts) -> Cause | None:
    """Return how a task's script was killed, from SLURM; None if SLURM has forgotten it."""
    if not facts.slurm or not facts.slurm[-1].exit_code:
        return None
    status, _, signal = facts.slurm[-1].exit_code.partition(":")
    return Cause("lost", f"the task was killed (exit status {status}, signal {signal})")


def _forgotten(facts: Facts) -> Cause:
    """Return the cause where neither SLURM nor the journal nor the log says how a task ended."""
    if facts.starts:
        return Cause(
            "unknown", "its script left no message when it ended, and SLURM has forgotten why"
        )
    if facts.has_run:
        return Cause("unknown", "its journal is gone, and SLURM has forgotten it")
    if facts.slurm:  # it was seen in the queue
        return Cause("cancelled", "before it started")
    words = "probably before it started: it has no log, and SLURM has forgotten it"
    return Cause("cancelled", words)
