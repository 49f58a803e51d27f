import os
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
from workshop.run_agents import local, warm

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
    assert local.run_in_process(path) == 0
    assert client_variables() == before
    runs = fetch_runs(path)
    assert sorted(runs["Effective Learning Rate"]) == [0.001, 0.1]
    assert set(runs["state"]) == {"finished"}
    assert "epoch 1/1" in capfd.readouterr().out


def client_variables() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("WANDB_") and name != "WANDB_SERVICE"
    }


def test_failed_run_is_counted_explained_and_does_not_stop_the_others(server, capfd):
    path = register("failing", dataset=["images:nowhere", "digits"])
    assert local.run_in_process(path) == 1
    assert list(fetch_runs(path)["state"]) == ["failed", "finished"]
    error = capfd.readouterr().err
    assert "error: there is no folder nowhere/train" in error
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
    assert lines[0].endswith("0 of 3 ended · no run yet")
    assert lines[-1].endswith("3 of 3 ended · 3 finished")
    assert all("1 threads" in log.read_text() for log in logs)
    assert registration.remaining(path) == 0


@pytest.mark.parametrize(
    ("program", "command", "reason"),
    [
        ("nowhere.py", None, "can't open file '/.*nowhere.py'"),
        (None, ["./README.md"], "PermissionError: .*README.md"),
    ],
)
def test_a_program_that_cannot_be_started_is_said(server, program, command, reason):
    config = {"method": "grid", "parameters": {"learning_rate": {"values": [0.1]}}}
    config |= {name: value for name, value in (("program", program), ("command", command)) if value}
    with restored():
        sweep_id = wandb.sweep(config, project="not-started")
    path = f"{wandb.Api().default_entity}/not-started/{sweep_id}"
    with pytest.raises(WorkshopError, match=rf"program was not started \(.*{reason}.*agent-1.log"):
        local.run_processes(path, tasks=1)
    assert set(fetch_runs(path)["state"]) == {"failed"}


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


@pytest.mark.parametrize(
    ("call", "child"),
    [
        ("run_processes({!r}, tasks=1)", "workshop.wandb_sweep"),
        ("run_warm({!r}, at_once=1)", "multiprocessing.forkserver"),
    ],
)
def test_interrupt_ends_agents_and_their_trials(call, child, server):
    path = register("interrupted", num_epochs=[1000])
    others = processes_with(child)  # an earlier test's fork server
    program = f"from workshop.run_agents import *; {call.format(path)}"
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    wait_for(lambda: states(path)["running"] or process.poll() is not None)
    assert processes_with(child) > others
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=patience(180)) != 0
    # The fork server ends when it finds that it has nobody left to serve.
    wait_for(lambda: not processes_with(child) - others)


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
