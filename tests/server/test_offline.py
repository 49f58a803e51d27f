"""Agents whose runs are logged offline: none is computed twice, and `wandb sync` completes them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.server import RunningServer
from tests.waiting import patience, wait_for

SILENCE = 12
"""Seconds after which an agent counts as gone, in place of 75; it beats every five."""
IMPATIENT = f"""
import sys
from sweepserver.scheduling import lifecycle
lifecycle.AGENT_SILENCE_S = {SILENCE}
from sweepserver.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
# The agent lists a run with its next beat, so its program lives until then.
TRAIN = """
import pathlib, sys, time, wandb
with wandb.init() as run:
    run.log({"loss": run.config["x"]})
    while not pathlib.Path(f"listed-{run.id}").exists():
        time.sleep(0.1)
"""
SWEEP = {
    "program": "train.py",
    "method": "grid",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"x": {"values": [0.1, 0.2, 0.3]}},
}
LOOK = """{ project(name: "p") { sweep(sweepName: %s) {
    state runs { edges { node { name state summaryMetrics } } }
    agents { edges { node { createdAt heartbeatAt totalRuns } } } } } }"""


@pytest.fixture
def impatient(start_server: Callable[..., RunningServer]) -> RunningServer:
    """A server that believes an agent to be gone sooner than others do."""
    return start_server(program=("-c", IMPATIENT))


def test_agents_that_log_offline_compute_each_point_once_and_sync_completes_the_sweep(
    impatient: RunningServer,
):
    """Start the real agent three times for one run each, each after the server gave the last up.

    The server's patience is shortened for the sake of the test; its rules are the same.
    """
    server = impatient
    (server.home / "train.py").write_text(TRAIN)
    (server.home / "sweep.yaml").write_text(json.dumps(SWEEP))  # which is YAML as well
    status, printed = server.run("wandb", "sweep", "--project", "p", "sweep.yaml")
    assert status == 0, printed
    path = next(word for word in printed.split() if word.startswith("local/p/"))

    def look() -> dict:
        found = server.graphql(LOOK % json.dumps(path.split("/")[2]))["project"]["sweep"]
        return {
            "state": found["state"],
            "runs": [edge["node"] for edge in found["runs"]["edges"]],
            "agents": [edge["node"] for edge in found["agents"]["edges"]],
        }

    for number in range(1, 4):
        gone = ["crashed"] * (number - 1)
        wait_for(lambda gone=gone: [run["state"] for run in look()["runs"]] == gone, look)
        agent = server.popen("wandb", "agent", "--count", "1", path, WANDB_MODE="offline")
        run = wait_for(lambda number=number: look()["runs"][number - 1 :], "a run is given")[0]
        given_at = look()["agents"][-1]["heartbeatAt"]
        wait_for(lambda at=given_at: look()["agents"][-1]["heartbeatAt"] > at, "the next beat")
        wait_for(lambda name=run["name"]: name in ids_of(kept(server)), "the run has begun")
        (server.home / f"listed-{run['name']}").touch()
        printed, _ = agent.communicate(timeout=patience(300))
        assert agent.returncode == 0, printed
    seen = look()
    assert [run["summaryMetrics"] for run in seen["runs"]] == ["{}"] * 3
    assert [agent["totalRuns"] for agent in seen["agents"]] == [1, 1, 1]

    folders = kept(server)
    assert len(folders) == 3
    status, printed = server.run("wandb", "sync", *map(str, folders))
    assert status == 0, printed
    seen = look()
    assert [run["state"] for run in seen["runs"]] == ["finished"] * 3
    losses = sorted(json.loads(run["summaryMetrics"])["loss"] for run in seen["runs"])
    assert losses == [0.1, 0.2, 0.3]
    assert seen["state"] == "FINISHED"


def ids_of(folders: list[Path]) -> set[str]:
    """Return the IDs of runs, from their folders."""
    return {folder.name.split("-")[-1] for folder in folders}


def kept(server: RunningServer) -> list[Path]:
    """Return the folders of the runs that were logged offline."""
    return sorted((server.home / "wandb").glob("offline-run-*"))
