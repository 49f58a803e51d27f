"""What a sweep has done and what is missing, on made-up runs."""

import pytest

from workshop.run_agents.slurm.repairs import SweepRun, account, state_by_task

CONFIG = {
    "method": "grid",
    "parameters": {
        "batch_size": {"values": [32, 64]},
        "learning_rate": {"values": [0.1, 1]},
        "model_name": {"value": "resnet18"},
    },
}


def run(name, state, batch_size, learning_rate, **more):
    values = {"batch_size": batch_size, "learning_rate": learning_rate, "model_name": "resnet18"}
    return SweepRun(name, state, values | more)


def test_a_sweep_that_has_not_begun_lacks_every_point():
    gaps = account(CONFIG, [])
    assert (gaps.expected, gaps.done, gaps.missing, gaps.failed) == (4, 0, 4, [])
    assert [(p["batch_size"], p["learning_rate"]) for p in gaps.points] == [
        (32, 0.1), (32, 1), (64, 0.1), (64, 1)
    ]  # fmt: skip


def test_each_point_counts_once_and_equal_values_are_one():
    runs = [
        run("a", "finished", 32, 1.0),
        run("b", "failed", 32, 1),
        run("c", "failed", 64.0, 0.1),
        run("d", "crashed", 64, 0.1),
        run("e", "running", 64, 1),
    ]
    gaps = account(CONFIG, runs)
    assert (gaps.done, gaps.live, gaps.missing) == (1, 1, 1)
    assert [failed.id for failed in gaps.failed] == ["d"], "the newest of a point"
    assert gaps.points == [{"batch_size": 32, "learning_rate": 0.1, "model_name": "resnet18"}]
    assert {point: [one.id for one in twice] for point, twice in gaps.duplicated.items()} == {
        "batch_size 32, learning_rate 1.0, model_name resnet18": ["a", "b"],
        "batch_size 64.0, learning_rate 0.1, model_name resnet18": ["c", "d"],
    }


def test_true_is_not_one():
    config = {"method": "grid", "parameters": {"finetune": {"values": [True, False]}}}
    gaps = account(config, [SweepRun("a", "finished", {"finetune": 1})])
    assert [point["finetune"] for point in gaps.points] == [True, False]
    gaps = account(config, [SweepRun("a", "finished", {"finetune": True})])
    assert gaps.points == [{"finetune": False}]


@pytest.mark.parametrize(
    ("state", "task", "group"),
    [
        ("finished", "left", "done"),
        ("running", None, "live"),
        ("pending", None, "live"),
        ("running", "left", "failed"),
        ("pending", "left", "failed"),
        ("running", "works", "live"),
        ("running", "waits", "interrupted"),
        ("crashed", None, "failed"),
        ("crashed", "works", "live"),
        ("crashed", "waits", "interrupted"),
        ("failed", "works", "failed"),
        ("failed", "waits", "failed"),
        ("killed", "left", "failed"),
        ("preempted", "left", "interrupted"),
        ("preempted", "waits", "interrupted"),
        ("preempted", "works", "live"),
    ],
)
def test_what_a_state_means(state, task, group):
    gaps = account(CONFIG, [run("a", state_by_task(state, task), 32, 0.1)])
    found = {
        "done": gaps.done,
        "live": gaps.live,
        "failed": len(gaps.failed),
        "interrupted": len(gaps.interrupted),
    }
    assert found == dict.fromkeys(found, 0) | {group: 1}
    assert gaps.missing == 3


def test_a_run_that_early_termination_stopped_is_done():
    config = CONFIG | {"early_terminate": {"type": "hyperband", "min_iter": 2}}
    assert account(config, [run("a", "killed", 32, 0.1)]).done == 1


def test_runs_that_are_no_point_of_the_grid_are_others():
    runs = [run("a", "finished", 7, 0.1), run("b", "failed", 32, 7), run("c", "finished", 32, 0.1)]
    gaps = account(CONFIG, [*runs, SweepRun("d", "preempted", {})])
    assert (gaps.done, gaps.missing, gaps.failed) == (1, 3, [])
    assert [other.id for other in gaps.others] == ["a", "b", "d"]
    assert [again.id for again in gaps.interrupted] == ["d"]
    assert "3 other runs: values not from this sweep" in str(gaps)


def test_a_quantised_range_and_nested_parameters_have_the_points_of_the_search():
    quarter = {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25}
    config = {
        "method": "grid",
        "parameters": {"momentum": quarter, "o": {"parameters": {"name": {"values": ["sgd"]}}}},
    }
    gaps = account(config, [SweepRun("a", "finished", {"momentum": 0.5, "o": {"name": "sgd"}})])
    assert (gaps.expected, gaps.done, gaps.missing) == (4, 1, 3)
    assert [point["momentum"] for point in gaps.points] == [0, 0.25, 0.75]


def test_random_search_lacks_what_its_cap_allows():
    config = {"method": "random", "run_cap": 5, "parameters": {"learning_rate": {}}}
    runs = [SweepRun(name, state, {}) for name, state in [("a", "finished"), ("b", "failed")]]
    gaps = account(config, runs)
    assert (gaps.expected, gaps.done, gaps.missing, gaps.points) == (5, 1, 3, [])
    assert [failed.id for failed in gaps.failed] == ["b"]
    assert not gaps.duplicated
    endless = account({"method": "random", "parameters": {}}, runs)
    assert (endless.expected, endless.missing) == (None, 0)
    assert "of a sweep that never ends" in str(endless)


def test_a_capped_grid_lacks_no_more_than_its_cap_allows():
    gaps = account(CONFIG | {"run_cap": 3}, [run("a", "finished", 32, 1)])
    assert gaps.missing == len(gaps.points) == 2


def test_the_account_names_what_needs_work():
    text = str(account(CONFIG, [run("a", "failed", 32, 0.1), run("b", "finished", 32, 1)]))
    assert "1 of 4 points done, 0 in progress" in text
    assert "2 missing: never handed out\n  batch_size 64, learning_rate 0.1" in text
    assert "batch_size 32, learning_rate 0.1, model_name resnet18: run a failed" in text
