"""The batch script itself, with a stand-in for the agent and no cluster."""

import os
import signal
import subprocess
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
    log = (tmp_path / "log").open("wb")
    script = subprocess.Popen(
        ["bash", str(slurm.SCRIPT), "e/p/s"],
        env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    place = Path(journal.folder("17") / "1")
    try:
        wait_for((place / "agent").exists, (tmp_path / "log").read_text)
        script.send_signal(signal.SIGTERM)
        assert script.wait(patience(60)) == 143
    finally:
        for own in map(
            int,
            subprocess.run(
                ["pgrep", "--session", str(script.pid)], capture_output=True, text=True, check=False
            ).stdout.split(),
        ):
            os.kill(own, signal.SIGKILL)
        log.close()
    assert journal.read("17", 1).starts[-1].status == 143


def test_a_script_that_alone_is_terminated_waits_for_its_trial_to_end(environment, tmp_path):
    """The trial is in a process group of its own, and its agent dies before it."""
    trial = "trap 'sleep 1; touch $WANDB_DIR/saved; exit' TERM; touch $WANDB_DIR/ready; "
    trial += "while :; do sleep 0.1; done"
    agent = tmp_path / "bin" / "wandb"
    agent.write_text(f"#!/bin/bash\nset -m\nbash -c '{trial.replace(chr(39), chr(34))}' &\nwait\n")
    log = (tmp_path / "log").open("wb")
    script = subprocess.Popen(
        ["bash", str(slurm.SCRIPT), "e/p/s"],
        env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    place = Path(journal.folder("17") / "1")
    wait_for((place / "ready").exists, (tmp_path / "log").read_text)
    script.send_signal(signal.SIGTERM)
    assert script.wait(patience(60)) == 143
    log.close()
    assert (place / "saved").exists()
    left = ["pgrep", "--session", str(script.pid)]
    assert not subprocess.run(left, capture_output=True, check=False).stdout
