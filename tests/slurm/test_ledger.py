"""The ledger of a task that ends while it is asked for, by the real client and no cluster."""

import time

import pytest
import wandb
from wandb.apis.public.sweeps import _agent_heartbeat, _register_agent

from workshop.slurm import notes, table
from workshop.slurm.repairing import gaps
from workshop.slurm.starts import SlurmStart


@pytest.fixture
def ending(server, tmp_path, monkeypatch) -> str:
    """Return the path of a sweep whose only run ends while SLURM is asked for its task."""
    monkeypatch.setattr(notes, "logs", lambda: tmp_path)
    config = {"method": "grid", "parameters": {"rate": {"values": [0.1]}}}
    sweep_id = wandb.sweep(config, project="ending")
    given = tmp_path / "7" / "1" / "wandb" / f"sweep-{sweep_id}"
    given.mkdir(parents=True)
    path = f"{server.entity}/ending/{sweep_id}"
    notes.record("7", sweep=path, tasks=1)
    began = time.time()
    place = {"sweep_id": sweep_id, "entity": server.entity, "project": "ending"}
    api = wandb.Api()
    agent = _register_agent(api, "here", **place)["id"]
    (command,) = _agent_heartbeat(api, agent, {}, {})
    run = wandb.init(project="ending", id=command["run_id"], config={"rate": 0.1})
    (given / f"config-{run.id}.yaml").write_text("rate: {value: 0.1}\n")

    def starts(job: str) -> dict[int, list[SlurmStart]]:
        run.finish()
        return {1: [SlurmStart(1, "COMPLETED", "0:0", began=began, over=time.time())]}

    monkeypatch.setattr(table, "starts", starts)
    return path


def test_its_run_is_finished(ending):
    assert list(table.ledger(ending)["cause"]) == ["finished"]


def test_its_run_is_not_to_be_repeated(ending):
    found = gaps(ending)
    assert (found.done, found.failed, found.missing) == (1, [], 0)
