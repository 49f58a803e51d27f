import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from tests.waiting import patience, wait_for
from workshop.connection.client_variables import restored
from workshop.define import definition
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.registration import states
from workshop.initialize.run_tables import fetch_runs
from workshop.paths import ROOT
from workshop.run_agents import local, slurm, warm
from workshop.run_agents.slurm import probe
from workshop.run_agents.slurm.command_line import repair as cli_repair

pytestmark = pytest.mark.scattered

# A network and a share of the digits small enough that a run is all start-up.
TINY = {"model_name": "resnet18", "sample_ratio": 0.1, "num_epochs": 1, "scale": "smoke"}


def register(project: str, **parameters: object) -> str:
    config = definition.load("configs/sweep_config.yaml")
    config["parameters"] = {name: {"value": value} for name, value in TINY.items()}
    config["parameters"] |= {name: {"values": values} for name, values in parameters.items()}
    return registration.register(config, project)


def test_agent_in_this_process_does_all_runs_and_leaves_the_environment_alone(
    server, capfd, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)  # where the client writes if no variable names a folder
    monkeypatch.setenv("WANDB_PROJECT", "of the user")
    for name in ("WANDB_ENTITY", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    before = client_variables()
    path = register("in-process", learning_rate=[0.1, 0.001])
    assert client_variables() == before
    local.run_in_process(path)
    assert client_variables() == before
    runs = fetch_runs(path)
    assert sorted(runs["Effective Learning Rate"]) == [0.001, 0.1]
    assert set(runs["state"]) == {"finished"}
    assert "epoch 1/1" in capfd.readouterr().out
    local.run_in_process(path)  # nothing is left to do
    assert not wandb.setup().settings.silent
    assert client_variables() == before


def client_variables() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("WANDB_") and name != "WANDB_SERVICE"
    }


def test_failed_run_is_counted_explained_and_does_not_stop_the_others(server, capfd):
    path = register("failing", dataset=["images:nowhere", "digits"])
    local.run_in_process(path)
    assert list(fetch_runs(path)["state"]) == ["failed", "finished"]
    error = capfd.readouterr().err
    assert "error: there is no folder nowhere/train" in error
    assert error.endswith("1 run failed\n")
    assert "Traceback" not in error


def test_processes_share_the_sweep(server, capsys):
    path = register("processes", learning_rate=[0.1, 0.01, 0.001])
    logs = local.run_processes(path, tasks=3, at_once=2, count=1)
    runs = fetch_runs(path)
    assert sorted(runs["learning_rate"]) == [0.001, 0.01, 0.1]
    assert list(runs["learning_rate"]) == list(runs["Effective Learning Rate"])
    assert set(runs["state"]) == {"finished"}
    assert len(logs) == 3
    lines = [line for line in capsys.readouterr().out.splitlines() if " ended · " in line]
    assert "0 of 3 ended · " in lines[0]
    assert lines[-1].endswith("3 of 3 ended · 3 finished")
    assert all("1 threads" in log.read_text() for log in logs)
    assert registration.remaining(path) == 0


def register_unchecked(project: str, **sections: object) -> str:
    """Register a sweep as `wandb sweep` does, which looks at no program."""
    config = {"method": "grid", "parameters": {"learning_rate": {"values": [0.1]}}} | sections
    with restored():
        sweep_id = wandb.sweep(config, project=project)
    return f"{wandb.Api().default_entity}/{project}/{sweep_id}"


def register_one_liner(project: str, program: str, *rates: float) -> str:
    """Register a sweep of a program that costs little to start, because it needs no PyTorch."""
    command = ["${interpreter}", "-c", program]
    parameters = {"learning_rate": {"values": rates}}
    return register_unchecked(project, command=command, parameters=parameters)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["python", "nowhere.py"], "can't open file '/.*nowhere.py'"),
        (["./README.md"], "PermissionError: .*README.md"),
    ],
)
def test_a_program_that_cannot_be_started_is_said(server, command, reason):
    path = register_unchecked("not-started", command=command)
    with pytest.raises(
        WorkshopError, match=rf"program could not be started \(.*{reason}.*agent-1.log"
    ):
        local.run_processes(path, tasks=1)
    assert set(fetch_runs(path)["state"]) == {"failed"}


def test_an_agent_that_gives_up_is_said(server, monkeypatch, capsys):
    # The other rule of the client, three failures in 60 seconds, is one about time.
    monkeypatch.setenv("WANDB_AGENT_MAX_INITIAL_FAILURES", "3")
    program = "import sys, wandb; wandb.init().finish(); sys.exit(1)"
    path = register_one_liner("given-up", program, 0.1, 0.2, 0.3, 0.4)
    local.run_processes(path, tasks=1)
    assert states(path) == {"finished": 3}, "the client's agent ends with 0 after three"
    assert re.search(
        r"an agent gave up.*agent-1.log: Detected 3 failed runs in (the first 60 seconds|a row)",
        capsys.readouterr().out,
    )


FOREIGN = """
import sys, wandb
from pathlib import Path
import helper

with wandb.init() as run:
    run.log({"val/f1": float(Path("data.txt").read_text()) * run.config.lr})
"""


def test_a_program_beside_its_definition_starts_in_its_own_folder(server, tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text(FOREIGN)
    (tmp_path / "helper.py").write_text("")
    (tmp_path / "data.txt").write_text("2")
    (tmp_path / "sweep.yaml").write_text(
        "program: train.py\nmethod: grid\nmetric: {name: val/f1, goal: maximize}\n"
        "parameters: {lr: {values: [1.5]}}\n"
    )
    monkeypatch.chdir(tmp_path)
    config = definition.load("sweep.yaml")
    assert config["command"][:2] == ["${env}", f"--chdir={tmp_path}"]
    path = registration.register(config, "foreign")
    local.run_processes(path, tasks=1)
    assert list(fetch_runs(path)["val/f1"]) == [3]
    with pytest.raises(WorkshopError, match=r"starts .*train.py, but an agent in this proc"):
        local.run_in_process(path)
    with pytest.raises(WorkshopError, match=r"in this process"):
        warm.run_warm(path)

    unplaced = register_unchecked(
        "foreign", program="train.py", parameters={"lr": {"values": [0.5]}}
    )
    with pytest.raises(WorkshopError, match=r"starts train.py, which is not in .*folder="):
        local.run_processes(unplaced, tasks=1)
    assert not states(unplaced), "nothing was handed out"
    monkeypatch.setenv("SLURMD_NODENAME", "node1")
    with pytest.raises(WorkshopError, match=rf"on node node1, sweep .* not in {ROOT}:"):
        probe.main(unplaced)
    probe.main(path)
    monkeypatch.delenv("SLURMD_NODENAME")
    local.run_processes(unplaced, tasks=1, folder=tmp_path)
    assert states(unplaced) == {"finished": 1}


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("/usr/bin/python3.11: No module named workshop.nowhere", True),
        ("/usr/bin/env: /no/such/program: No such file or directory", True),
        ("Traceback (most recent call last):", False),
        ("wandb: Tracking run with wandb", False),
    ],
)
def test_what_a_program_says_itself_is_not_that_it_was_not_started(first, said, tmp_path):
    log = tmp_path / "log"
    log.write_text(
        f"INFO - About to run command: /usr/bin/env python train.py\n{first}\n"
        "FileNotFoundError: [Errno 2] No such file or directory: 'data'\n"
    )
    assert local._refusal(log) == (first if said else "")


def test_warm_agents_share_the_sweep(server, capsys, monkeypatch):
    path = register("warm", learning_rate=[0.1, 0.01, 0.001])
    agents_here = os.environ.get("WORKSHOP_AGENTS")
    monkeypatch.delattr("__main__.__spec__", raising=False)  # as `%reset` does in a notebook
    logs = warm.run_warm(path, at_once=2)
    runs = fetch_runs(path)
    assert sorted(runs["learning_rate"]) == [0.001, 0.01, 0.1]
    assert list(runs["learning_rate"]) == list(runs["Effective Learning Rate"])
    assert set(runs["state"]) == {"finished"}
    assert "3 of 3 ended · 3 finished" in capsys.readouterr().out
    assert "Train Loss" in logs[0].read_text() + logs[1].read_text()
    for text in map(Path.read_text, logs):
        assert text.count(" 1 threads") == text.count("digits: "), "its share of two CPUs"
    assert os.environ.get("WORKSHOP_AGENTS") == agents_here

    # The environment is that of the call, not that of the first one, which loaded the libraries.
    with monkeypatch.context() as patch:
        patch.setenv("NETRC", "nowhere")
        with pytest.raises(WorkshopError, match=r"exit status 1; its log .*1.log ends with: .*key"):
            warm.run_warm(path, at_once=1)


def test_repair_runs_here_what_failed_and_what_is_missing(server, capsys):
    def fails_once() -> None:
        with wandb.init() as run:
            if run.config["learning_rate"] == 0.1:
                raise WorkshopError("the disk is full")

    program = "import wandb; wandb.init().finish()"
    path = register_one_liner("repaired-here", program, 0.1, 0.01, 0.001)
    local.run_in_process(path, count=2, program=fails_once)
    assert states(path) == {"failed": 1, "finished": 1}
    before = {run.id for run in registration.runs(path)}
    with pytest.raises(WorkshopError, match="time=1 is for sbatch, but --here doesn't submit"):
        cli_repair(path, "generic", None, ["time=1"], dry_run=False, only=[], here=True)
    cli_repair(path, "generic", 1, [], dry_run=False, only=[], here=True)
    assert states(path) == {"finished": 3}
    assert before < {run.id for run in registration.runs(path)}
    assert slurm.repair_here(path) == []
    assert "nothing to repair" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "child"),
    [
        ("run_in_process({!r})", "run_in_process("),
        pytest.param(
            "run_processes({!r}, tasks=1)", "workshop.wandb_sweep", marks=pytest.mark.slow
        ),
        pytest.param(
            "run_warm({!r}, at_once=1)", "multiprocessing.forkserver", marks=pytest.mark.slow
        ),
    ],
)
def test_interrupt_ends_agents_and_hands_their_runs_back(call, child, server):
    path = register("interrupted", num_epochs=[1000], learning_rate=[0.1, 0.01])
    others = processes_with(child)  # an earlier test's fork server
    process = interruptible(call.format(path))
    wait_for(lambda: states(path)["running"] or process.poll() is not None)
    (run,) = registration.runs(path)
    wait_for(lambda: has_logged(run))
    assert processes_with(child) > others
    said = interrupted(process)
    assert f"interrupted with 2 runs left: run this again to continue sweep {path}" in said
    # The client's own clean-up may fail in a thread of its own, with a traceback.
    assert "KeyboardInterrupt" not in said
    assert "wandb_sweep.py" not in said
    assert states(path) == {"preempted": 1}
    # The fork server ends when it finds that it has nobody left to serve.
    wait_for(lambda: not processes_with(child) - others)

    local.run_in_process(path, count=1, program=lambda: wandb.init().finish())
    assert states(path) == {"finished": 1}


def test_a_trial_that_does_not_heed_an_interrupt_is_cut_off_and_handed_back(server):
    path = register("deaf", learning_rate=[0.1])
    process = interruptible(
        f"run_in_process({path!r}, program=sleep)",
        "import time, wandb; from workshop.run_agents import interruption; "
        "interruption.TRIAL_LIMIT_S = 1; "
        "sleep = lambda: (wandb.init(), [time.sleep(0.1) for _ in range(100_000)]); ",
    )
    wait_for(lambda: states(path)["running"] or process.poll() is not None)
    assert "interrupted with 1 run left" in interrupted(process)
    assert states(path) == {"preempted": 1}


def interruptible(call: str, before: str = "") -> subprocess.Popen[str]:
    """Start a process that lets agents work."""
    program = (
        f"import sys; from workshop.errors import exit_status; {before}"
        f"from workshop.run_agents import *; sys.exit(exit_status(lambda: ({call}, 0)[1]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], start_new_session=True, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def interrupted(process: subprocess.Popen[str]) -> str:
    """Interrupt a process; return what it says about it."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=patience(180))
    assert process.returncode == 2, said
    return said


def has_logged(run: wandb.apis.public.Run) -> bool:
    run.load(force=True)
    return run.lastHistoryStep > 0


def processes_with(words: str) -> set[int]:
    """Return the processes of this test's server whose command line holds the words."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().replace("\0", " ")
            environment = (folder / "environ").read_text()
        except OSError:
            continue
        if words in command and os.environ["WORKSHOP_HOME"] in environment:
            found.add(int(folder.name))
    return found
