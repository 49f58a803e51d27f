"""The ledger tells the failures of the lab apart that end a task."""

import time

import pytest

from workshop import failures, slurm

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(900)]

ENDING = ("crash", "agent_killed", "time_limit")  # the others let every task finish


def test_ledger_names_the_failure(server, on_cluster):
    paths = {failure: failures.register(failure, "failures-on-cluster") for failure in ENDING}
    for path in paths.values():
        submission = slurm.plan(path, site="test_cluster", at_once=2)
        slurm.submit(submission, patience=0, show=lambda line: None)
    deadline = time.monotonic() + 600
    while True:
        ledgers = {failure: slurm.ledger(path) for failure, path in paths.items()}
        live = [
            row
            for table in ledgers.values()
            for row in table.itertuples()
            if row.kind in slurm.LIVE
        ]
        if not live:
            break
        assert time.monotonic() < deadline, live
        for row in live:
            if row.slurm == "PENDING" and row.starts:
                on_cluster.start_now(row.task)
        time.sleep(1)
    kinds = {failure: sorted(table["kind"]) for failure, table in ledgers.items()}
    assert kinds == {
        "crash": ["code error", "finished"],
        "agent_killed": ["finished", "lost"],
        "time_limit": ["finished", "preempted and resumed"],
    }
    crash = ledgers["crash"].set_index("kind").loc["code error"]
    assert crash["cause"].endswith("RuntimeError: cannot decode image 217: the file is truncated")
    resumed = ledgers["time_limit"].set_index("kind").loc["preempted and resumed"]
    assert resumed["cause"].endswith("it was warned that its time was up; finished in start 2")
