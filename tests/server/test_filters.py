import json
from dataclasses import replace

import pytest

from workshop.server.errors import RequestError
from workshop.server.filters import Facts, ordered, parse_condition, select
from workshop.server.records import Project, Run
from workshop.server.store import Store
from workshop.server.values import shorten


@pytest.fixture
def run(store: Store) -> Run:
    project = store.add(Project, entity="local", name="p", created_at=0)
    return store.add(
        Run,
        project_id=project.id,
        name="r",
        user="local",
        display_name="quiet-river-1",
        state="finished",
        created_at=1_000_000_000,
        heartbeat_at=1_000_000_060,
    )


@pytest.fixture
def facts(run: Run) -> Facts:
    run = replace(
        run,
        config=json.dumps(
            {
                "lr": {"value": 0.1},
                "opt": {"value": {"name": "sgd", "a.b": 1}},
                "_wandb": {"value": {"t": {}}},
            }
        ),
        summary=json.dumps({"loss": 0.5, "nested": {"acc": 90}, "Validation Accuracy": 80}),
        tags=json.dumps(["baseline", "night"]),
    )
    return Facts(run, "abcdefgh")


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"state": "finished"},
        {"$and": [{"sweep": "abcdefgh"}]},
        {"sweep": "abcdefgh", "state": {"$ne": "running"}},
        {"config.lr": 0.1},
        {"config.lr.value": {"$gt": 0.05, "$lt": 0.2}},
        {"config.opt.name": "sgd"},
        {"config.opt.value.name": "sgd"},
        {"config.opt.a.b": 1},
        {"summary_metrics.Validation Accuracy": {"$gte": 80}},
        {"summary_metrics.nested.acc": {"$lte": 90}},
        {"tags": "night"},
        {"tags": {"$in": ["other", "baseline"]}},
        {"tags.night": True},
        {"displayName": {"$regex": "^quiet-"}},
        {"display_name": "quiet-river-1"},
        {"$or": [{"state": "failed"}, {"state": "finished"}]},
        {"$nor": [{"state": "failed"}]},
        {"$not": {"state": "failed"}},
        {"state": {"$not": {"$eq": "failed"}}},
        {"state": {"$nin": ["failed", "crashed"]}},
        {"config.missing": {"$exists": False}},
        {"config.missing": None},
        {"config.missing": {"$ne": 3}},
        {"created_at": {"$gt": "2001-01-01"}},
        {"duration": {"$gte": 60}},
        {"username": "local"},
    ],
)
def test_conditions_that_hold(facts: Facts, condition: dict):
    assert select([facts], condition) == [facts]
    if condition:
        assert select([facts], {"$nor": [condition]}) == []


@pytest.mark.parametrize(
    "condition",
    [
        {"config.lr": {"$gt": "0.05"}},
        {"config.missing": {"$lt": 3}},
        {"summary_metrics.loss": {"$in": [0.4]}},
        {"tags": {"$ne": "night"}},
        {"config.lr": True},
        {"unknown": "x"},
    ],
)
def test_conditions_that_do_not_hold(facts: Facts, condition: dict):
    assert select([facts], condition) == []


def nested(group: str, depth: int) -> str:
    return f'{{"{group}": [' * depth + "{}" + "]}" * depth


@pytest.mark.parametrize(
    "condition",
    [
        {"$xor": []},
        {"state": {"$near": 1}},
        [1],
        {"state": {"$in": "x"}},
        {"name": {"$regex": "("}},
        nested("$and", 60),
        nested("$not", 10_000),
        "{",
    ],
    ids=lambda condition: shorten(condition, 20),
)
def test_conditions_that_cannot_be_read_are_refused(facts: Facts, condition: object):
    text = condition if isinstance(condition, str) else json.dumps(condition)
    with pytest.raises(RequestError):
        select([facts], parse_condition(text))


def with_losses(run: Run, losses: list) -> list[Facts]:
    return [
        Facts(replace(run, id=i, summary=json.dumps({} if loss is None else {"loss": loss})), None)
        for i, loss in enumerate(losses)
    ]


def order_of(found: list[Facts]) -> list[int]:
    return [facts.run.id for facts in found]


def test_runs_without_a_number_come_last_both_ways(run: Run):
    found = with_losses(run, [0.3, None, 0.1, float("nan"), 0.2])
    assert order_of(ordered(found, "+summary_metrics.loss")) == [2, 4, 0, 1, 3]
    assert order_of(ordered(found, "-summary_metrics.loss")) == [0, 4, 2, 1, 3]


def test_later_keys_sort_what_earlier_ones_leave_equal(run: Run):
    found = with_losses(run, [1, 2, 1, 2])
    assert order_of(ordered(found, "-summary_metrics.loss,+created_at")) == [1, 3, 0, 2]
    assert order_of(ordered(found, None)) == [0, 1, 2, 3]
