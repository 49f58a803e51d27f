"""The cause in words, from recorded facts: what SLURM, the notes and the log say in each case."""

import pytest

from workshop.slurm.cause import KINDS, Facts, cause, last_words
from workshop.slurm.notes import Start
from workshop.slurm.starts import SlurmStart

TRACEBACK = """\
Traceback (most recent call last):
  File "trial.py", line 8, in <module>
    raise ValueError("bad")
ValueError: bad
"""
NOISE = """\
Exception in thread wandb-ServiceFinalizer:
Traceback (most recent call last):
  File "threading.py", line 1045, in _bootstrap_inner
    self.run()
wandb.sdk.lib.asyncio_manager.AlreadyJoinedError: Cannot schedule tasks after join().
"""


def slurm(state, exit_code="0:0", reason="None", began=100, over=200):
    return SlurmStart(1, state, exit_code, reason, "node1", began, over)


def ran(status=0, began=100, **facts):
    return Start(began, "node1", ended=began + 90, status=status, **facts)


CASES = {
    "finished": (
        Facts([slurm("COMPLETED")], [ran()], "finished", True),
        "finished",
    ),
    "a raising trial": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "failed", True, log=TRACEBACK + NOISE),
        "code error: ValueError: bad",
    ),
    "a trial that says its error": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "failed", True, log="x\nerror: no such data\n"),
        "code error: error: no such data",
    ),
    "a trial that exits in silence": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "failed", True),
        "code error: the program ended with an exit status that is not 0",
    ),
    "memory, by cgroup": (
        Facts([slurm("OUT_OF_MEMORY", "0:125")], [ran(1)], "running", True),
        "out of memory: the task's memory was used up: give it more (`memory` in the site profile)",
    ),
    "memory, by polling": (
        Facts(
            [slurm("FAILED", "0:9")], [Start(100, "node1")], "running", True,
            log="slurmstepd-node1: error: Exceeded job memory limit",
        ),
        "out of memory: the task's memory was used up: give it more (`memory` in the site profile)",
    ),
    "the GPU's memory": (
        Facts(
            [slurm("FAILED", "1:0")], [ran(1)], "failed", True,
            log="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        ),
        "out of memory: the GPU's memory was used up: give it more (a smaller batch_size)",
    ),
    "the time limit": (
        Facts([slurm("TIMEOUT")], [Start(100, "node1")], "crashed", True),
        "time limit: its time was over before its run ended",
    ),
    "warned, and resumed": (
        Facts(
            [slurm("REQUEUED"), slurm("COMPLETED", began=220, over=300)],
            [ran(warned=True, requeued=True), ran(began=220)], "finished", True,
        ),
        "preempted and resumed: it was warned that its time was up; finished in start 2",
    ),
    "requeued by hand": (
        Facts(
            [slurm("REQUEUED"), slurm("COMPLETED", began=220, over=300)],
            [Start(100, "node1"), ran(began=220)], "finished", True,
        ),
        "preempted and resumed: it was put back into the queue; finished in start 2",
    ),
    "another job took its place": (
        Facts(
            [slurm("PREEMPTED"), slurm("COMPLETED", began=220, over=300)],
            [Start(100, "node1"), ran(began=220)], "finished", True,
        ),
        "preempted and resumed: another job took its place; finished in start 2",
    ),
    "the node failed": (
        Facts(
            [slurm("NODE_FAIL"), slurm("COMPLETED", began=220, over=300)],
            [Start(100, "node1"), ran(began=220)], "finished", True,
        ),
        "node failure: its node failed (node1); finished in start 2",
    ),
    "the node failed for good": (
        Facts([slurm("NODE_FAIL")], [Start(100, "node1")], "crashed", True),
        "node failure: node1 failed, and SLURM did not start it again",
    ),
    "cancelled": (
        Facts([slurm("CANCELLED")], [Start(100, "node1")], "crashed", True),
        "cancelled: while it ran",
    ),
    "cancelled before": (
        Facts([slurm("CANCELLED", began=None)]),
        "cancelled: before it started",
    ),
    "cancelled by the breaker": (
        Facts([slurm("CANCELLED", began=None)], cancellation="3 tasks in a row have failed; see"),
        "cancelled: 3 tasks in a row have failed",
    ),
    "surplus": (
        Facts([slurm("COMPLETED")], [ran(surplus="finished")]),
        "no work left: the sweep was finished",
    ),
    "idle": (
        Facts([slurm("FAILED", "1:0")], [ran(1, idle=True)]),
        "no run: its agent was given no run in time: is the sweep paused?",
    ),
    "an agent that could not start": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], log="error: the server did not tell"),
        "no run: error: the server did not tell",
    ),
    "a script that could not start": (
        Facts([slurm("FAILED", "1:0")], log="ERROR: Unable to locate a modulefile for 'x'\n"),
        "no run: ERROR: Unable to locate a modulefile for 'x'",
    ),
    "killed by hand": (
        Facts([slurm("FAILED", "0:9")], [Start(100, "node1")], "running", True),
        "lost: the task was killed (exit status 0, signal 9)",
    ),
    "a trial that was killed": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "crashed", True),
        "lost: its program was killed without a word (the run is crashed)",
    ),
    "a run that was stopped": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "killed", True),
        "stopped: the server or a user stopped the run",
    ),
    "no progress": (
        Facts([slurm("FAILED", "1:0")], [ran(1, warned=True)], "preempted", True),
        "time limit: its time was over, and it was not put back into the queue",
    ),
    "its run went on elsewhere": (
        Facts([slurm("OUT_OF_MEMORY", "0:125")], [ran(1)], "finished", True, "17_4"),
        "out of memory: the task's memory was used up: give it more (`memory` in the site "
        "profile); its run went on in task 17_4",
    ),
    "running": (
        Facts([slurm("RUNNING", over=None)], [Start(100, "node1")], "running", True),
        "running: on node1",
    ),
    "running again": (
        Facts([slurm("NODE_FAIL"), slurm("RUNNING", began=220, over=None)], [Start(100, "node1")]),
        "running: on node1, in start 2: its node failed (node1)",
    ),
    "waiting for its turn": (
        Facts([slurm("PENDING", reason="JobArrayTaskLimit", began=None)]),
        "waiting: as many tasks of this array run as may run at once",
    ),
    "waiting at a limit": (
        Facts([slurm("PENDING", reason="QOSMaxJobsPerUserLimit", began=None)]),
        "waiting: a limit of your account or quality of service is reached "
        "(QOSMaxJobsPerUserLimit)",
    ),
    "waiting for something new": (
        Facts([slurm("PENDING", reason="MoonPhase", began=None)]),
        "waiting: SLURM says MoonPhase",
    ),
    "forgotten by SLURM, finished": (Facts([], [ran()], "finished", True), "finished"),
    "forgotten by SLURM, failed": (
        Facts([], [ran(1)], "failed", True, log=TRACEBACK),
        "code error: ValueError: bad",
    ),
    "forgotten by SLURM, never started": (
        Facts(), "cancelled: before it started; SLURM has forgotten it"
    ),
    "forgotten by SLURM, killed": (
        Facts([], [Start(100, "node1")], "crashed", True),
        "lost: its script ended without a word, and SLURM has forgotten why",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "words"), CASES.values(), ids=CASES)
def test_cause_in_words(facts, words):
    found = cause(facts)
    assert str(found) == words
    assert found.kind in KINDS


def test_last_words_are_those_of_the_last_failure_and_not_of_the_clients_clean_up():
    assert last_words(NOISE) == ""
    assert last_words(TRACEBACK + NOISE) == "ValueError: bad"
    assert last_words("error: first\n" + TRACEBACK.replace("bad", "worse")) == "ValueError: worse"
    assert last_words(TRACEBACK + "error: last\n") == "error: last"
    assert last_words("fine\n") == ""
