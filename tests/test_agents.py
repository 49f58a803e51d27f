import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workshop import agents, sweep
from workshop.analysis import fetch_runs

# A network and a share of the digits small enough that a run is all start-up.
TINY = {"model_name": "resnet18", "sample_ratio": 0.1, "num_epochs": 1, "scale": "smoke"}


def register(project: str, **parameters: object) -> str:
    config = sweep.load("configs/sweep_config.yaml")
    config["parameters"] = {name: {"value": value} for name, value in TINY.items()}
    config["parameters"] |= {name: {"values": values} for name, values in parameters.items()}
    return sweep.register(config, project)


@pytest.mark.slow
def test_agent_in_this_process_does_all_runs_and_leaves_the_environment_alone(server, capfd):
    path = register("in-process", learning_rate=[0.1, 0.001])
    before = {name: os.environ[name] for name in os.environ if name != "WANDB_SERVICE"}
    assert agents.run_in_process(path) == 0
    assert {name for name in os.environ if "SWEEP" in name or "RUN_ID" in name} == set()
    assert {name: os.environ[name] for name in before} == before
    runs = fetch_runs(path)
    assert sorted(runs["Effective Learning Rate"]) == [0.001, 0.1]
    assert set(runs["state"]) == {"finished"}
    assert "epoch 1/1" in capfd.readouterr().out


@pytest.mark.slow
def test_failed_run_is_counted_explained_and_does_not_stop_the_others(server, capfd):
    path = register("failing", dataset=["images:nowhere", "digits"])
    assert agents.run_in_process(path) == 1
    assert list(fetch_runs(path)["state"]) == ["failed", "finished"]
    error = capfd.readouterr().err
    assert "error: there is no folder nowhere/train" in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_processes_share_the_sweep(server, capsys):
    path = register("processes", learning_rate=[0.1, 0.01, 0.001])
    logs = agents.run_processes(path, tasks=3, at_once=2, count=1)
    runs = fetch_runs(path)
    assert sorted(runs["learning_rate"]) == [0.001, 0.01, 0.1]
    assert list(runs["learning_rate"]) == list(runs["Effective Learning Rate"])
    assert set(runs["state"]) == {"finished"}
    assert len(logs) == 3
    lines = [line for line in capsys.readouterr().out.splitlines() if " ended · " in line]
    assert lines[0].endswith("0 of 3 ended · no run yet")
    assert lines[-1].endswith("3 of 3 ended · 3 finished")
    assert all("1 threads" in log.read_text() for log in logs)
    assert sweep.remaining(path) == 0


@pytest.mark.slow
def test_interrupt_ends_agents_and_their_trials(server):
    path = register("interrupted", num_epochs=[1000])
    program = f"from workshop import agents; agents.run_processes({path!r}, tasks=1)"
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    deadline = time.monotonic() + 90
    while not (trials := processes_with("workshop.wandb_sweep")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) != 0
    for pid in trials:
        assert not Path(f"/proc/{pid}").exists()


def processes_with(words: str) -> list[int]:
    """Return the processes of this test's server whose command line holds the words."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().replace("\0", " ")
            environment = (folder / "environ").read_text()
        except OSError:
            continue
        if words in command and os.environ["WORKSHOP_HOME"] in environment:
            found.append(int(folder.name))
    return found
