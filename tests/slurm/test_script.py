"""The batch script itself, with a stand-in for the agent and no cluster."""

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting import patience, wait_for
from workshop.paths import ROOT
from workshop.run_agents import slurm
from workshop.run_agents.slurm import journal


@pytest.fixture
def environment(tmp_path, monkeypatch) -> dict[str, str]:
    """The environment of task 1 of array 17, in which the agent sleeps and Python does nothing."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("wandb", "touch $WANDB_DIR/agent; exec sleep 600"), ("python", "exit 0")):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    return os.environ | {
        "SLURM_ARRAY_JOB_ID": "17",
        "SLURM_ARRAY_TASK_ID": "1",
        "SLURMD_NODENAME": "node1",
        "WORKSHOP_BIN": str(programs),
        "WORKSHOP_START_JITTER": "0",
    }


@contextmanager
def terminated(environment, tmp_path, ready):
    """Start the script, send it SIGTERM once its task's folder has a file, and wait for its end.

    Yields the processes that it has left, which are then ended.
    """
    log = tmp_path / "log"
    with log.open("wb") as output:
        script = subprocess.Popen(
            ["bash", str(slurm.SCRIPT), "e/p/s"],
            env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    left = ["pgrep", "--session", str(script.pid)]
    try:
        wait_for((Path(journal.folder("17") / "1") / ready).exists, log.read_text)
        script.send_signal(signal.SIGTERM)
        assert script.wait(patience(60)) == 143
        yield subprocess.run(left, capture_output=True, text=True, check=False).stdout.split()
    finally:
        found = subprocess.run(left, capture_output=True, text=True, check=False).stdout
        for own in map(int, found.split()):
            os.kill(own, signal.SIGKILL)


@pytest.mark.parametrize(
    ("change", "status", "steps"),
    [
        ({}, 3, ["begin", "failed"]),
        ({"WORKSHOP_SCRATCH": "/no/such/folder"}, 1, ["failed"]),
    ],
)
def test_a_script_that_fails_ahead_of_its_agent_says_so_to_the_others(
    change, status, steps, environment, tmp_path
):
    python = tmp_path / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$3" >>"$WORKSHOP_HOME/steps"\n[ "$3" = failed ] || exit 3')
    done = subprocess.run(
        ["bash", str(slurm.SCRIPT), "e/p/s"],
        env=environment | change, cwd=ROOT, capture_output=True, timeout=patience(60), check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert (tmp_path / "steps").read_text().split() == steps
    assert journal.read("17", 1).starts[-1].status == status


def test_a_script_that_is_cancelled_notes_no_end_by_0(environment, tmp_path):
    with terminated(environment, tmp_path, "agent"):
        assert journal.read("17", 1).starts[-1].status == 143


def test_a_script_that_alone_is_terminated_waits_for_its_trial_to_end(environment, tmp_path):
    """The trial is in a process group of its own, and its agent dies before it."""
    trial = "trap 'sleep 1; touch $WANDB_DIR/saved; exit' TERM; touch $WANDB_DIR/ready; "
    trial += "while :; do sleep 0.1; done"
    agent = tmp_path / "bin" / "wandb"
    agent.write_text(f"#!/bin/bash\nset -m\nbash -c '{trial.replace(chr(39), chr(34))}' &\nwait\n")
    with terminated(environment, tmp_path, "ready") as left:
        assert (journal.folder("17") / "1" / "saved").exists()
        assert not left
