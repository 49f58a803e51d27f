"""Runs that go back to their sweep, by the real client and no cluster."""

import time

import pytest
import wandb
from wandb.apis.public.sweeps import _agent_heartbeat, _register_agent

from workshop.run_agents.slurm.repairs import gaps
from workshop.run_agents.slurm.requeue import hand_back


@pytest.mark.parametrize("reaches_wandb", [False, True], ids=["no wandb.init", "has logged"])
def test_a_run_that_goes_back_keeps_its_point(server, reaches_wandb):
    # The second point keeps the sweep from ending.
    parameters = {"rate": {"values": [0.1, 0.2]}, "net": {"value": "a"}}
    config = {"method": "grid", "parameters": parameters}
    sweep_id = wandb.sweep(config, project="handback")
    path = f"{server.entity}/handback/{sweep_id}"
    api = wandb.Api()
    place = {"sweep_id": sweep_id, "entity": server.entity, "project": "handback"}

    def take() -> str:
        agent = _register_agent(api, "here", **place)["id"]
        (command,) = _agent_heartbeat(api, agent, {}, {})
        assert command["args"] == {"rate": {"value": 0.1}, "net": {"value": "a"}}
        return command["run_id"]

    run_id = take()
    own = {}
    if reaches_wandb:
        own = {"epochs": 3}
        run = wandb.init(project="handback", id=run_id, config={"rate": 0.1, "net": "a"} | own)
        run.log({"loss": 1.0})
        run.finish(exit_code=1)
    else:
        assert not hand_back(path, run_id), "its process may live, as far as anybody knows"
        assert not hand_back(path, run_id, left=time.time() - 100), "it was heard since"
    assert hand_back(path, run_id, left=time.time())
    assert not hand_back(path, run_id, left=time.time()), "it is handed back already"

    found = gaps(path)
    assert [run.id for run in found.interrupted] == [run_id]
    assert found.points == [{"net": "a", "rate": 0.2}]
    assert take() == run_id
    run = wandb.Api().run(f"{server.entity}/handback/{run_id}")
    assert (run.state, run.config) == ("pending", {"rate": 0.1, "net": "a"} | own)
    assert run.lastHistoryStep == (0 if reaches_wandb else -1)
    found = gaps(path)
    assert (found.live, found.missing, found.duplicated) == (1, 1, {})
