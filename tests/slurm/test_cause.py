"""The cause in words, from recorded facts: what SLURM, the notes and the log say in each case."""

import pytest

from workshop.run_agents.program_output import last_words
from workshop.run_agents.slurm.accounting import SlurmStart
from workshop.run_agents.slurm.cause import KINDS, Facts, cause
from workshop.run_agents.slurm.journal import Start

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


def epitaph(reason=""):
    """Return what SLURM's daemon writes into the log of a task that it ends."""
    return f"slurmstepd-node1: error: *** JOB 7 ON node1 CANCELLED AT 2026-11-29{reason} ***\n"


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
        "code error: the program ended with a nonzero exit status",
    ),
    "memory, by cgroup": (
        Facts([slurm("OUT_OF_MEMORY", "0:125")], [ran(1)], "running", True),
        "out of memory: the task's memory was not enough: use a larger `memory` in the site "
        "profile",
    ),
    "memory, by polling": (
        Facts(
            [slurm("FAILED", "0:9")], [Start(100, "node1")], "running", True,
            log="slurmstepd-node1: error: Exceeded job memory limit",
        ),
        "out of memory: the task's memory was not enough: use a larger `memory` in the site "
        "profile",
    ),
    "the GPU's memory": (
        Facts(
            [slurm("FAILED", "1:0")], [ran(1)], "failed", True,
            log="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        ),
        "out of memory: the GPU's memory was not enough: use a smaller batch_size",
    ),
    "the time limit": (
        Facts([slurm("TIMEOUT")], [Start(100, "node1")], "crashed", True),
        "time limit: it reached its time limit before its run ended",
    ),
    "warned, and resumed": (
        Facts(
            [slurm("REQUEUED"), slurm("COMPLETED", began=220, over=300)],
            [ran(warned=True, requeued=True, preempted=False), ran(began=220)], "finished", True,
        ),
        "preempted and resumed: it was warned that its time was up; finished in start 2",
    ),
    "warned since another job takes its place": (
        Facts(
            [slurm("REQUEUED"), slurm("COMPLETED", began=220, over=300)],
            [ran(warned=True, requeued=True, preempted=True), ran(began=220)], "finished", True,
        ),
        "preempted and resumed: it was preempted: another job took its place; finished in start 2",
    ),
    "warned, and SLURM did not say why": (
        Facts(
            [slurm("REQUEUED"), slurm("COMPLETED", began=220, over=300)],
            [ran(warned=True, requeued=True), ran(began=220)], "finished", True,
        ),
        "preempted and resumed: it was asked to stop; finished in start 2",
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
        "cancelled: while it was running",
    ),
    "terminated, and its program said something": (
        Facts([slurm("FAILED", "143:0")], [ran(143)], "running", True, log=TRACEBACK),
        "lost: the task got SIGTERM from somebody, or from its node",
    ),
    "cancelled before": (
        Facts([slurm("CANCELLED", began=None)]),
        "cancelled: before it started",
    ),
    "cancelled by the breaker": (
        Facts([slurm("CANCELLED", began=None)], cancellation="3 tasks in a row failed; see"),
        "cancelled: 3 tasks in a row failed",
    ),
    "the agent gave up although the runs finished": (
        Facts(
            [slurm("FAILED", "1:0")], [ran(1, gave_up="Detected 3 failed runs")], "finished", True,
        ),
        "code error: its program ended with an exit status that is not 0 after its run had "
        "finished, and its agent gave up: Detected 3 failed runs",
    ),
    "surplus": (
        Facts([slurm("COMPLETED")], [ran(surplus="finished")]),
        "no work left: the sweep was finished",
    ),
    "idle": (
        Facts([slurm("FAILED", "1:0")], [ran(1, idle=True)]),
        "no run: its agent got no run in time: is the sweep paused, or is its scheduler not "
        "running?",
    ),
    "an agent that could not start": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], log="error: the server could not be asked"),
        "no run: error: the server could not be asked",
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
        "lost: its program was killed and left no error message (the run is crashed)",
    ),
    "a run that was stopped": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "killed", True),
        "stopped: the server or a user stopped the run",
    ),
    "a run that its sweep has stopped early": (
        Facts([slurm("COMPLETED")], [ran(0)], "killed", True, stopped_early=True),
        "stopped early: it was behind other runs when they were compared",
    ),
    "the same, as a task's exit status has it": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "killed", True, stopped_early=True),
        "stopped early: it was behind other runs when they were compared",
    ),
    "no progress": (
        Facts([slurm("FAILED", "1:0")], [ran(1, warned=True)], "preempted", True),
        "time limit: it reached its time limit, and was not put back into the queue",
    ),
    "its run went on elsewhere": (
        Facts([slurm("OUT_OF_MEMORY", "0:125")], [ran(1)], "finished", True, "17_4"),
        "out of memory: the task's memory was not enough: use a larger `memory` in the site "
        "profile; its run continued in task 17_4",
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
        "waiting: as many tasks of this array are running as may run at once",
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
    "running, and waits for the server": (
        Facts([slurm("RUNNING", over=None)], [Start(100, "node1", away=True, outage=True)]),
        "running: on node1; it is waiting for the server, which does not answer",
    ),
    "no server": (
        Facts(
            [slurm("FAILED", "2:0")], [ran(2, away=True, outage=True)],
            log="error: the W&B server at http://a did not answer within 600 s: once it is up\n",
        ),
        "no run: error: the W&B server at http://a did not answer within 600 s: once it is up",
    ),
    "running, with a run that is finished": (
        Facts([slurm("RUNNING", over=None)], [Start(100, "node1")], "finished", True),
        "running: on node1; its run is finished",
    ),
    "running, with a run behind it that is finished": (
        Facts(
            [slurm("RUNNING", over=None)], [Start(100, "node1")], "finished", True, is_past=True
        ),
        "finished",
    ),
    "waiting to go on, with a run behind it that failed": (
        Facts(
            [slurm("PENDING", began=None)], [ran(warned=True, requeued=True)], "failed", True,
            log=TRACEBACK, is_past=True,
        ),
        "code error: ValueError: bad",
    ),
    "running, with a run behind it that was killed": (
        Facts(
            [slurm("RUNNING", over=None)], [Start(100, "node1")], "crashed", True, is_past=True
        ),
        "lost: its program was killed and left no error message (the run is crashed)",
    ),
    "running, with a run that the server has given up": (
        Facts([slurm("RUNNING", over=None)], [Start(100, "node1")], "crashed", True),
        "running: on node1",
    ),
    "SLURM is silent": (
        Facts([slurm("RUNNING", over=None)], [Start(100, "node1")], "running", True,
              slurm_is_silent=True),
        "unknown: SLURM does not answer",
    ),
    "SLURM is silent, and the task was told to have ended": (
        Facts([slurm("TIMEOUT")], [Start(100, "node1")], "crashed", True, slurm_is_silent=True),
        "time limit: it reached its time limit before its run ended",
    ),
    "argparse": (
        Facts(
            [slurm("FAILED", "1:0")], [ran(1)], "crashed", True, has_begun=False,
            log="usage: fit.py [-h]\nfit.py: error: unrecognized arguments: --lr=1\n",
        ),
        "code error: fit.py: error: unrecognized arguments: --lr=1",
    ),
    "a program that cannot be opened": (
        Facts(
            [slurm("FAILED", "1:0")], [ran(1)], "pending", True, has_begun=False,
            log="/usr/bin/env: 'fit': No such file or directory\nrun k3m9p7qd: pending\n",
        ),
        "code error: /usr/bin/env: 'fit': No such file or directory",
    ),
    "a program that ends in silence before its run": (
        Facts([slurm("FAILED", "1:0")], [ran(1)], "failed", True, has_begun=False),
        "lost: its program ended before its run began, without an error message",
    ),
    "its outage is not the program's error": (
        Facts(
            [slurm("FAILED", "1:0")], [ran(1, away=True, outage=True)], "failed", True,
            log=TRACEBACK + "0 - wandb.wandb_agent - INFO - Cleaning up finished run: k3m9p7qd\n"
            "error: the W&B server at http://a did not answer within 600 s: once it is up\n",
        ),
        "code error: ValueError: bad",
    ),
    "forgotten by SLURM, finished": (Facts([], [ran()], "finished", True), "finished"),
    "forgotten by SLURM, failed": (
        Facts([], [ran(1)], "failed", True, log=TRACEBACK),
        "code error: ValueError: bad",
    ),
    "forgotten by SLURM, never started": (
        Facts(),
        "cancelled: probably before it started: it has no log, and SLURM has forgotten it",
    ),
    "forgotten by SLURM, killed": (
        Facts([], [Start(100, "node1")], "crashed", True),
        "unknown: its script left no message when it ended, and SLURM has forgotten why",
    ),
    "forgotten by SLURM, over its time": (
        Facts([], [ran(143)], "crashed", True, log=epitaph(" DUE TO TIME LIMIT")),
        "time limit: it reached its time limit before its run ended",
    ),
    "forgotten by SLURM, cancelled": (
        Facts([], [Start(100, "node1")], "crashed", True, log=epitaph()),
        "cancelled: while it was running",
    ),
    "forgotten by SLURM, its node failed": (
        Facts(
            [], [Start(100, "node1")], "crashed", True,
            log=epitaph(" DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS"),
        ),
        "node failure: node1 failed, and SLURM did not start it again",
    ),
    "forgotten by SLURM, killed after it was requeued": (
        Facts(
            [], [ran(143), Start(220, "node1")], "crashed", True,
            log=epitaph(" DUE TO JOB REQUEUE") + "Array 17, task 3 on node1: an agent for 1\n",
        ),
        "unknown: its script left no message when it ended, and SLURM has forgotten why",
    ),
    "forgotten by SLURM, interrupted": (
        Facts([], [ran(143), ran(began=220)], "finished", True),
        "preempted and resumed: it was interrupted; finished in start 2",
    ),
    "forgotten by SLURM, seen in the queue": (
        Facts([slurm("UNKNOWN", "", "", None, None)]), "cancelled: before it started"
    ),
    "forgotten by SLURM, its script could not start": (
        Facts(log="ERROR: Unable to locate a modulefile for 'x'\n"),
        "no run: ERROR: Unable to locate a modulefile for 'x'",
    ),
    "forgotten by SLURM, failed, and its run went on elsewhere": (
        Facts([], [ran(1)], "failed", True, "18_4", TRACEBACK),
        "code error: ValueError: bad; its run continued in task 18_4",
    ),
    "forgotten by SLURM, killed, and its run went on elsewhere": (
        Facts([], [Start(100, "node1")], "", True, "18_4"),
        "unknown: its script left no message when it ended, and SLURM has forgotten why; "
        "its run continued in task 18_4",
    ),
    "put itself back, and its run went on elsewhere": (
        Facts(
            [slurm("REQUEUED"), slurm("COMPLETED", began=220, over=300)],
            [ran(143, warned=True, requeued=True, preempted=False), ran(surplus="running")],
            "preempted", True, "18_4",
        ),
        "preempted and resumed: it was warned that its time was up; its run continued in task 18_4",
    ),
    "nothing is left but the run": (
        Facts(run_state="crashed", has_run=True),
        "unknown: its journal is gone, and SLURM has forgotten it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "words"), CASES.values(), ids=CASES)
def test_cause_in_words(facts, words):
    found = cause(facts)
    assert str(found) == words
    assert found.kind in KINDS


def test_last_words_are_those_of_the_last_failure_and_not_of_the_clients_clean_up():
    assert last_words(NOISE) == ""
    assert last_words(TRACEBACK + NOISE) == last_words(NOISE + TRACEBACK) == "ValueError: bad"
    assert last_words("error: first\n" + TRACEBACK.replace("bad", "worse")) == "ValueError: worse"
    assert last_words(TRACEBACK + "error: last\n") == "error: last"
    assert last_words("usage: fit.py\nfit.py: error: no --lr\n") == "fit.py: error: no --lr"
    assert last_words("epoch 1: error: 0.25\nslurmstepd-node1: error: *** JOB 7 ***\n") == ""
    assert last_words("fine\n") == ""


# As Hydra 1.3 prints them, which says the words of a traceback once more below it.
HYDRA_ENDS = "\nSet the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.\n"
HYDRA = {
    "Key 'x' is not in struct": """\
Could not override 'optimizer.x'.
To append to your config use +optimizer.x=3
Key 'x' is not in struct
    full_key: optimizer.x
    object_type=dict
""",
    "no viable alternative at input 'a(b'": """\
no viable alternative at input 'a(b'
See https://hydra.cc/docs/1.2/advanced/override_grammar/basic for details
""",
    "In 'config': Could not find 'optimizer/rmsprop'": """\
In 'config': Could not find 'optimizer/rmsprop'

Available options in 'optimizer':
\tadam
\tsgd
Config search path:
\tprovider=main, path=file:///project/conf
""",
    "ValueError: bad": f"Error executing job with overrides: ['lr=1']\n{TRACEBACK}",
}


@pytest.mark.parametrize("words", HYDRA)
def test_last_words_of_a_program_with_hydra_are_its_error(words):
    log = f"/usr/bin/env python train.py lr=1\n{HYDRA[words]}{HYDRA_ENDS}"
    assert last_words(log) == words
    failed = Facts([slurm("FAILED", "1:0")], [ran(1)], "failed", True, log=log, has_begun=False)
    assert str(cause(failed)) == f"code error: {words}"


@pytest.mark.parametrize("line", range(NOISE.count("\n") + 1))
def test_the_clients_clean_up_of_the_last_run_hides_no_word_of_a_program(line):
    """The traceback comes from a thread of the agent: before, after or between the words."""
    agent = "2026-11-29 16:40:56,532 - wandb.wandb_agent - INFO - Cleaning up finished run: ajz8\n"
    noise, words = NOISE.splitlines(keepends=True), "python: can't open file 'nowhere.py'\n"
    log = "".join([*noise[:line], words, *noise[line:], agent])
    never_began = Facts([], [ran(status=1)], "failed", True, log=log, has_begun=False)
    assert str(cause(never_began)) == f"code error: {words.strip()}"
