"""The ledger tells the failures of the lab apart that end a task."""

import pytest

from tests.waiting import wait_for
from workshop import failure_lab
from workshop.run_agents import slurm

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("cluster 2")]

ENDING = ("crash", "time_limit")
"""The others let every task finish, except agent_killed: `test_failures` submits its array."""


def test_ledger_names_the_failure(server, on_cluster):
    paths = {failure: failure_lab.register(failure, "failures-on-cluster") for failure in ENDING}
    for path in paths.values():
        submission = slurm.plan(path, site="test_cluster", at_once=2)
        slurm.submit(submission, patience=0, show=lambda line: None)
    ledgers = {}

    def are_over() -> bool:
        ledgers.update({failure: slurm.ledger(path) for failure, path in paths.items()})
        live = [
            row
            for table in ledgers.values()
            for row in table.itertuples()
            if row.kind in slurm.LIVE
        ]
        for row in live:
            if row.slurm == "PENDING" and row.starts:
                on_cluster.start_now(row.task)
        return not live

    wait_for(are_over, lambda: ledgers, 600, every=1)
    kinds = {failure: sorted(table["kind"]) for failure, table in ledgers.items()}
    assert kinds == {
        "crash": ["code error", "finished"],
        "time_limit": ["finished", "preempted and resumed"],
    }
    crash = ledgers["crash"].set_index("kind").loc["code error"]
    assert crash["cause"].endswith("RuntimeError: cannot decode image 217: the file is truncated")
    resumed = ledgers["time_limit"].set_index("kind").loc["preempted and resumed"]
    assert resumed["cause"].endswith("it was warned that its time was up; finished in start 2")
