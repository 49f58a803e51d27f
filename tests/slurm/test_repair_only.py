"""A repair that repeats the failed runs of some causes alone, by the real client and no cluster."""

import time

import pytest
import wandb
from wandb.apis.public.sweeps import _agent_heartbeat, _register_agent

from workshop import cli
from workshop.define import load
from workshop.run_agents.slurm import journal, task_ledger
from workshop.run_agents.slurm.accounting import SlurmStart

ENDS = {
    1: ("FAILED", "Traceback (most recent call last):\nValueError: too large\n"),
    2: ("NODE_FAIL", ""),
    3: ("COMPLETED", ""),
}


@pytest.fixture
def path(server, tmp_path, monkeypatch) -> str:
    """Return a sweep of four points: one finished, two failed in their ways, one is to be run."""
    monkeypatch.setattr(journal, "logs", lambda: tmp_path)
    config = {"method": "grid", "parameters": {"rate": {"values": [0.1, 0.2, 0.3, 0.4]}}}
    sweep_id = wandb.sweep(config, project="only")
    path = f"{server.entity}/only/{sweep_id}"
    place = {"sweep_id": sweep_id, "entity": server.entity, "project": "only"}
    api = wandb.Api()
    agent = _register_agent(api, "here", **place)["id"]
    began = int(time.time())
    for task, (state, log) in ENDS.items():
        folder = tmp_path / "7" / str(task) / "wandb" / f"sweep-{sweep_id}"
        folder.mkdir(parents=True)
        (command,) = _agent_heartbeat(api, agent, {}, {})
        run = wandb.init(project="only", id=command["run_id"], config={"rate": task / 10})
        _agent_heartbeat(api, agent, {}, {run.id: True})
        run.finish(exit_code=int(state != "COMPLETED"))
        (folder / f"config-{run.id}.yaml").write_text(f"rate: {{value: {task / 10}}}\n")
        (tmp_path / "7" / f"{task}.out").write_text(log)
        status = f"{began + 1}\tend\t1\n" if state == "FAILED" else ""
        note = f"{began}\tstart\tnode1\n{began}\tsweep\t{path}\n{status}"
        (tmp_path / "7" / str(task) / "notes").write_text(note)
    journal.record("7", sweep=path, tasks=3)
    known = {
        task: [SlurmStart(task, state, "1:0", node="node1", began=began, over=began + 1)]
        for task, (state, _) in ENDS.items()
    }
    monkeypatch.setattr(task_ledger, "starts", lambda job: known)
    return path


@pytest.mark.parametrize(
    ("options", "repeated", "left_out"),
    [
        ([], ["rate 0.1", "rate 0.2"], None),
        (["--only", "node-failure"], ["rate 0.2"], ["rate 0.1"]),
        (["--only", "code-error", "--only", "node-failure"], ["rate 0.1", "rate 0.2"], None),
        (["--only", "lost"], [], ["rate 0.1", "rate 0.2"]),
    ],
)
def test_the_dry_run_says_what_is_repeated_and_what_is_left_out(
    path, options, repeated, left_out, capsys
):
    assert cli.main(["repair", path, "--dry-run", *options]) == 0
    printed = capsys.readouterr().out
    assert "1 missing: never handed out\n  rate 0.4\n" in printed
    assert below(printed, "failed: to be retried") == repeated
    assert below(printed, "failed for another cause: not to be retried") == left_out


def test_a_sweep_whose_parameters_are_its_schedulers_is_looked_at(server, capsys):
    config = load("configs/sweep_config_optuna.yaml")
    sweep_id = wandb.sweep(config, project="repair-scheduled")
    picked = {"optimizer": "adam", "learning_rate": 0.1}
    run = wandb.init(project="repair-scheduled", config=picked, settings={"sweep_id": sweep_id})
    run.finish(exit_code=1)
    assert cli.main(["repair", f"{server.entity}/repair-scheduled/{sweep_id}", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert below(printed, "failed: to be retried") == ["optimizer adam, learning_rate 0.1"]


def below(text: str, words: str) -> list[str] | None:
    """Return the points in the lines below the one with some words; None if there is none."""
    lines = iter(text.splitlines())
    if not any(words in line for line in lines):
        return None
    found = []
    for line in lines:
        if not line.startswith("  "):
            break
        found.append(line.partition(":")[0].strip())
    return found
