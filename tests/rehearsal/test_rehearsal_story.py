"""A learner's arrays on a rehearsal cluster whose programs are only unpacked."""

import pytest

from tests.fixtures.requirements import lacking

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


@pytest.fixture(scope="module")
def story(person):
    fetch = "from workshop.run_agents.rehearsal import packages; packages.fetch()"
    done = person.run(str(person.python), "-c", fetch)
    if "could not be fetched" in done.stderr or "no apt-get" in done.stderr:
        lacking("apt", done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return person.call("tests.rehearsal.scenario")


def causes(rows: list[dict]) -> dict[str, str]:
    return {row["configuration"]: row["cause"] for row in rows}


def test_the_programs_were_the_unpacked_ones(story):
    assert story["programs"] == "unpacked in ~/.workshop/slurm-packages"


def test_submitting_starts_the_cluster_and_says_so_once(story):
    told = [line for line in story["said"] if line.startswith("The rehearsal cluster is running")]
    assert len(told) == 1
    assert "reaches http://127.0.0.1:" in story["said"][1]


def test_a_task_is_preempted_and_goes_on(story):
    assert causes(story["tables"]["preempted"]) == {
        "learning_rate 0.1": "finished",
        "learning_rate 0.2": "code error: ValueError: this learning rate fails",
        "learning_rate 0.5": (
            "preempted and resumed: it was preempted: another job took its place; "
            "finished in start 2"
        ),
    }


def test_a_task_goes_on_after_its_node_crashed(story):
    (row,) = story["tables"]["cut off"]
    assert row["cause"] == "node failure: its node failed (node2); finished in start 2"
    assert (row["slurm"], row["run_state"], row["starts"]) == ("COMPLETED", "finished", 2)


def test_a_task_runs_out_of_time_and_is_repaired(story):
    (row,) = story["tables"]["late"]
    assert (row["kind"], row["slurm"]) == ("time limit", "TIMEOUT")
    first, second = story["tables"]["repaired"]
    assert "its run continued in task" in first["cause"]
    assert (second["cause"], second["run_state"]) == ("finished", "finished")
    assert story["done"] == 1


def test_the_ledger_is_complete_once_the_cluster_is_stopped(story):
    assert story["tables"]["afterwards"] == story["tables"]["repaired"]
