"""Why an array task is where it is, in words: a pure function of what is known about it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from workshop.slurm.notes import Start
from workshop.slurm.starts import SlurmStart

KINDS = (
    "finished", "code error", "out of memory", "time limit", "preempted and resumed", "cancelled",
    "node failure", "no work left", "no run", "stopped", "lost", "running", "waiting",
)  # fmt: skip

# What SLURM calls the reasons to wait (squeue's manual page, "JOB REASON CODES").
_WAITING = {
    "None": "SLURM has not looked at it yet",
    "Resources": "all fitting nodes are busy",
    "Priority": "others are before it in the queue",
    "JobArrayTaskLimit": "as many tasks of this array run as may run at once",
    "Dependency": "it starts once the probe has reached the server from a node",
    "DependencyNeverSatisfied": "it will not start, since the probe did not reach the server",
    "JobHeldUser": "you or `workshop submit` hold it",
    "JobHeldAdmin": "an administrator holds it",
    "BeginTime": "it starts again in a moment, or at the time that was asked for",
    "ReqNodeNotAvail": "the nodes that it needs are reserved or down",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition takes no jobs at the moment",
    "PartitionTimeLimit": "it asks for more time than its partition allows",
    "Licenses": "it waits for a licence",
}

# How a start ended that was not the last one.
_INTERRUPTED = {
    "TIMEOUT": "its time was over",
    "PREEMPTED": "another job took its place",
    "CANCELLED": "it was cancelled",
    "OUT_OF_MEMORY": "its memory was used up",
}

# What SLURM and the kernel write into a log when memory is used up, and what PyTorch raises.
_MEMORY = re.compile(
    r"exceeded .*memory limit|oom[-_ ]kill|out[- ]of[- ]memory|OutOfMemoryError|MemoryError",
    re.IGNORECASE,
)
# The client's own clean-up fails after each run; this says nothing about the run.
_NOISE = re.compile(r"Exception in thread wandb-ServiceFinalizer")


class Cause(NamedTuple):
    """A cause: one of `KINDS`, and what there is to add to it."""

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
        starts: its starts as its own notes tell.
        run_state: what the server says of the run; "" if there is none.
        has_run: whether the task's agent was ever given a run.
        moved_to: the task that the run went on in, as `17_4`; "" if it is this one.
        log: the task's output, or the part that belongs to the run.
        cancellation: why the circuit breaker cancelled tasks of this array; "" if it did not.
    """

    slurm: Sequence[SlurmStart] = ()
    starts: Sequence[Start] = ()
    run_state: str = ""
    has_run: bool = False
    moved_to: str = ""
    log: str = ""
    cancellation: str = ""


def cause(facts: Facts) -> Cause:
    """Return why a task, and one run of it, are where they are."""
    state = facts.slurm[-1].state if facts.slurm else "UNKNOWN"
    last = facts.starts[-1] if facts.starts else None
    if state == "PENDING":
        return _waiting(facts)
    if state in ("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"):
        return _running(facts)
    if facts.moved_to:
        return _moved(facts, state, last)
    if facts.run_state == "finished":
        return _finished(facts)
    if last and last.surplus and not facts.has_run:
        return Cause("no work left", f"the sweep was {last.surplus}")
    return (
        _out_of_memory(facts, state)
        or _ended_by_slurm(facts, state)
        or _failed(facts, last)
        or Cause("lost", "its script ended without a word, and SLURM has forgotten why")
    )


def last_words(log: str) -> str:
    """Return the line of a log that says why a program failed; empty if none does.

    It is the last line of the last traceback, or an `error: ...` of the kit's own programs.
    """
    words, lines = "", log.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("error: "):
            words = line
        elif line.startswith("Traceback (") and not _NOISE.match(lines[number - 1]):
            words = next((end for end in lines[number + 1 :] if end[:1].strip()), "")
    return words


def _waiting(facts: Facts) -> Cause:
    reason = facts.slurm[-1].reason.rstrip(",")
    words = _WAITING.get(reason.partition(",")[0], f"SLURM says {reason}")
    if reason.startswith(("Assoc", "QOS")):
        words = f"a limit of your account or quality of service is reached ({reason})"
    if interruptions := _interruptions(facts):
        words = f"{interruptions}; {words}"
    return Cause("waiting", words)


def _running(facts: Facts) -> Cause:
    last = facts.slurm[-1]
    detail = f"on {last.node}" if last.node else ""
    if interruptions := _interruptions(facts):
        detail += f", in start {_starts(facts)}: {interruptions}"
    return Cause("running", detail)


def _finished(facts: Facts) -> Cause:
    if not (interruptions := _interruptions(facts)):
        return Cause("finished")
    return Cause(_resumed(facts), f"{interruptions}; finished in start {_starts(facts)}")


def _moved(facts: Facts, state: str, last: Start | None) -> Cause:
    """Return why a task did not end its run, which went on in another one."""
    own = None
    if state not in ("COMPLETED", "UNKNOWN"):
        own = _out_of_memory(facts, state) or _ended_by_slurm(facts, state) or _failed(facts, last)
    own = own or Cause(_resumed(facts), _interruptions(facts))
    return Cause(own.kind, f"{own.detail}; its run went on in task {facts.moved_to}".lstrip("; "))


def _resumed(facts: Facts) -> str:
    """Return the kind of a task that was started again."""
    failed_node = any(start.state == "NODE_FAIL" for start in facts.slurm[:-1])
    return "node failure" if failed_node else "preempted and resumed"


def _starts(facts: Facts) -> int:
    return max(len(facts.starts), len([one for one in facts.slurm if one.began]))


def _interruptions(facts: Facts) -> str:
    """Return why the starts before the newest ended, each reason once; empty if there was one."""
    words = []
    for earlier in facts.slurm[:-1]:
        noted = [start for start in facts.starts if _is_same(start, earlier)]
        if any(start.warned for start in noted):
            words.append("it was warned that its time was up")
        elif earlier.state == "NODE_FAIL":
            words.append(f"its node failed ({earlier.node})")
        else:
            words.append(_INTERRUPTED.get(earlier.state, "it was put back into the queue"))
    if not words and len(facts.starts) > 1:  # SLURM has forgotten its starts
        words = ["it was interrupted"]
    return ", ".join(
        word if times == 1 else f"{word} ({times} times)" for word, times in Counter(words).items()
    )


def _is_same(noted: Start, known: SlurmStart) -> bool:
    """Say whether a start that a task has noted is one that SLURM knows."""
    # Notes are in whole seconds.
    return (known.began or 0) - 1 <= noted.began <= (known.over or float("inf")) + 1


def _out_of_memory(facts: Facts, state: str) -> Cause | None:
    found = next((line for line in facts.log.splitlines() if _MEMORY.search(line)), "")
    if state != "OUT_OF_MEMORY" and not found:
        return None
    on_gpu = "CUDA" in found
    advice = "a smaller batch_size" if on_gpu else "`memory` in the site profile"
    whose = "the GPU's memory" if on_gpu else "the task's memory"
    return Cause("out of memory", f"{whose} was used up: give it more ({advice})")


def _ended_by_slurm(facts: Facts, state: str) -> Cause | None:
    last = facts.slurm[-1] if facts.slurm else None
    if state == "CANCELLED" or (state == "UNKNOWN" and facts.cancellation and not facts.starts):
        if facts.cancellation and not facts.starts:
            return Cause("cancelled", facts.cancellation.partition(";")[0])
        return Cause("cancelled", "while it ran" if facts.starts else "before it started")
    if state == "UNKNOWN" and not facts.starts:
        return Cause("cancelled", "before it started; SLURM has forgotten it")
    if state in ("TIMEOUT", "DEADLINE"):
        return Cause("time limit", "its time was over before its run ended")
    if state in ("NODE_FAIL", "BOOT_FAIL"):
        return Cause("node failure", f"{last.node} failed, and SLURM did not start it again")
    if state == "PREEMPTED":
        return Cause("cancelled", "another job took its place, and SLURM did not start it again")
    return None


def _failed(facts: Facts, last: Start | None) -> Cause | None:
    if last is None:
        said = facts.log.strip().splitlines()
        return Cause("no run", said[-1]) if said else None
    if last.idle:
        return Cause("no run", "its agent was given no run in time: is the sweep paused?")
    words = last_words(facts.log)
    if not facts.has_run:
        ended = f"the script ended with exit status {last.status}"
        return Cause("no run", words or ended)
    if facts.run_state == "killed":
        return Cause("stopped", "the server or a user stopped the run")
    if words or facts.run_state == "failed":
        return Cause("code error", words or "the program ended with an exit status that is not 0")
    if last.warned:
        return Cause("time limit", "its time was over, and it was not put back into the queue")
    if last.status is None:
        if not facts.slurm:
            return None
        status, _, signal = facts.slurm[-1].exit_code.partition(":")
        return Cause("lost", f"the task was killed (exit status {status}, signal {signal})")
    return Cause("lost", f"its program was killed without a word (the run is {facts.run_state})")
