"""What comes over several tasks of an array at once, on a real cluster."""

import pytest
import wandb

from tests.slurm.cluster import Cluster
from tests.slurm.trial import LIGHT, register
from tests.waiting import wait_for
from workshop.connection import local_server
from workshop.paths import ROOT
from workshop.run_agents import slurm
from workshop.run_agents.slurm import commands, journal

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("cluster 2")]


def submit(cluster: Cluster, path: str, tasks: int, **variables: str) -> str:
    """Submit an array by hand, and return its number; `variables` are for its tasks."""
    environment = {**slurm.plan(path, tasks, site="test_cluster").environment, **variables}
    options = [f"--array=1-{tasks}", "--mem=1G", f"--chdir={ROOT}", "--output=/dev/null"]
    command = ["sbatch", "--parsable", *options, str(slurm.SCRIPT), path]
    return commands.run(command, environment).strip()


def ended(path: str) -> list[str]:
    """Return the kinds of the causes of a sweep's tasks, once all have ended."""
    return wait_for(
        lambda: [
            kinds
            for kinds in [list(slurm.ledger(path)["kind"])]
            if kinds and not set(kinds) & set(slurm.LIVE)
        ],
        lambda: slurm.describe(slurm.ledger(path)),
        every=1,
    )[0]


@pytest.mark.parametrize(
    ("variables", "kind"),
    [({}, "lost"), ({"WANDB_MODE": "offline"}, "no run")],
    ids=["their programs", "ahead of their agents"],
)
def test_failures_at_the_same_time_trip_the_circuit_breaker(variables, kind, server, on_cluster):
    config = {
        "method": "grid",
        "command": ["${env}", "false"],
        "parameters": {"rate": {"values": list(range(8))}},
    }
    path = f"{wandb.Api().default_entity}/trouble/{wandb.sweep(config, project='trouble')}"
    job = submit(on_cluster, path, 8, **variables)
    journal.folder(job).mkdir(parents=True, exist_ok=True)
    journal.record(job, sweep=path, tasks=8)
    kinds = ended(path)
    assert len(kinds) == 8
    assert kinds.count(kind) >= 4, "four run at once, and all fail"
    assert kinds.count("cancelled") >= 1, kinds


def test_a_task_that_starts_in_an_outage_waits_for_the_server(server, on_cluster):
    path = register(LIGHT)
    local_server.stop()
    try:
        job = submit(on_cluster, path, 1)
        wait_for(lambda: [start for start in journal.read(job, 1).starts if start.away])
    finally:
        local_server.start()
    assert ended(path) == ["finished"]
    (start,) = journal.read(job, 1).starts
    assert (start.outage, start.away) == (True, False)
