import json
from dataclasses import replace

import pytest

from sweepserver.api.resolvers.artifacts.collections import COLLECTION_FIELDS, VERSION_FIELDS
from sweepserver.errors import RequestError
from sweepserver.search.values import lookup, shorten
from sweepserver.store.database import Store
from sweepserver.store.facts import RUN_FIELDS, SWEEP_FIELDS, RunFacts
from sweepserver.store.filters import Filter
from sweepserver.store.orders import Order
from sweepserver.store.records import Project, Run


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
        created_at=1_000_000_000.25,
        heartbeat_at=1_000_000_060.25,
    )


@pytest.fixture
def facts(run: Run) -> RunFacts:
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
    return RunFacts(run, "abcdefgh", "local")


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
        {"createdAt": "2001-09-09T01:46:40Z"},
        {"createdAt": {"$gte": "2001-09-09T03:46:40+02:00", "$lte": "2001-09-09T01:46:40Z"}},
        {"createdAt": {"$gt": "2001-09-09T01:46:40.2Z", "$lt": "2001-09-09T01:46:40.300000+00:00"}},
        {"createdAt": {"$gte": 1_000_000_000, "$lt": 1_000_000_001}},
        {"createdAt": {"$gt": 1_000_000_000.2}},
        {"createdAt": {"$in": ["1999-01-01", "2001-09-09T01:46:40"]}},
        {"createdAt": {"$not": {"$gt": "2001-09-09T01:46:40"}}},
        {"createdAt": {"$ne": None}},
        {"heartbeatAt": {"$exists": True}},
        {"entity": "local"},
        {"entity": "local", "state": "finished", "jobType": None},
        {"group": {"$exists": False}},
        {"duration": {"$gte": 60}},
        {"username": "local"},
    ],
    ids=json.dumps,
)
def test_conditions_that_hold(facts: RunFacts, condition: dict):
    assert selected(facts, condition)
    if condition:
        assert not selected(facts, {"$nor": [condition]})


@pytest.mark.parametrize(
    "condition",
    [
        {"config.lr": {"$gt": "0.05"}},
        {"config.missing": {"$lt": 3}},
        {"summary_metrics.loss": {"$in": [0.4]}},
        {"tags": {"$ne": "night"}},
        {"config.lr": True},
        {"config.opt": {}},
        {"tags": True},
        {"created_at": {"$gt": "2001-09-09T01:46:40Z"}},
        {"created_at": {"$lt": 1_000_000_000.25}},
        {"created_at": None},
        {"entity": "somebody"},
    ],
    ids=json.dumps,
)
def test_conditions_that_do_not_hold(facts: RunFacts, condition: dict):
    assert not selected(facts, condition)


def selected(facts: RunFacts, condition: dict) -> bool:
    return Filter(json.dumps(condition), RUN_FIELDS).select([facts]) == [facts]


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
        {"name": {"$regex": 3}},
        {"name": {"$regex": "(?=lookahead)"}},
        {"name": {"$regex": "quiet", "$options": "i"}},
        {"tags": {"$all": ["night"]}},
        {"state": "failed", "tags": {"$all": ["night"]}},
        {"$or": [{"state": "finished"}, {"$and": [{"name": {"$nothing": 1}}]}]},
        {"config.lr": {"$gt": None}},
        {"config.lr": {"$gt": 0, "value": 1}},
        {"state": {"$exists": "no"}},
        {"state": {"$not": {"$near": 1}}},
        {"createdAt": "yesterday"},
        {"createdAt": {"$gt": [2026]}},
        {"createdAt": {"$lt": True}},
        {"createdAt": {"$lt": 1e300}},
        {"createdAt": {"$in": ["2026-01-01", "soon"]}},
        {"heartbeatAt": {"$regex": "^2026"}},
        nested("$and", 60),
        nested("$not", 10_000),
        '{"state": ' + '{"$not": ' * 60 + '"finished"' + "}" * 61,
        "{",
    ],
    ids=lambda condition: shorten(condition, 60),
)
def test_conditions_that_cannot_be_read_are_refused(condition: object):
    text = condition if isinstance(condition, str) else json.dumps(condition)
    with pytest.raises(RequestError):
        Filter(text, RUN_FIELDS)


UNKNOWN = {
    "tag": "tags",
    "id": "name",
    "sweepName": "sweep",
    "stat": "state",
    "created": "created_at",
    "summary_metric.loss": "summary_metrics.KEY",
    "foo": None,
    "config": "config.KEY",
}


@pytest.mark.parametrize("key", UNKNOWN)
@pytest.mark.parametrize(
    "beside",
    [
        lambda unknown: unknown,
        lambda unknown: unknown | {"state": "failed"},
        lambda unknown: {"$and": [{"state": "failed"}, unknown]},
        lambda unknown: {"$or": [{"state": "finished"}, unknown]},
        lambda unknown: {"$nor": [{"$not": unknown}]},
    ],
    ids=["alone", "beside a known one", "in $and", "in $or", "in $not"],
)
def test_an_unknown_key_is_refused_wherever_it_stands(key, beside):
    with pytest.raises(RequestError) as refused:
        Filter(json.dumps(beside({key: {"$ne": "x"}})), RUN_FIELDS)
    assert f"cannot be selected or sorted by {key!r}" in str(refused.value)
    if meant := UNKNOWN[key]:
        assert f"(did you mean {meant!r}?)" in str(refused.value)


@pytest.mark.parametrize("order", ["loss", "-summary_metrics.loss,foo", "+createdat,-id"])
def test_an_order_by_an_unknown_key_is_refused(order):
    with pytest.raises(RequestError, match="cannot be selected or sorted by"):
        Order(order, RUN_FIELDS)


@pytest.mark.parametrize("fields", [SWEEP_FIELDS, COLLECTION_FIELDS, VERSION_FIELDS])
def test_what_is_not_a_run_has_keys_of_its_own(fields):
    for text in ('{"heartbeat_at": null}', '{"$or": [{}, {"foo": 1}]}'):
        with pytest.raises(RequestError, match="cannot be selected"):
            Filter(text, fields)


@pytest.mark.timeout(60)
def test_a_regular_expression_takes_a_time_that_grows_with_the_text_alone(run: Run):
    facts = RunFacts(replace(run, display_name="a" * 5000 + "!"), None)
    assert not selected(facts, {"display_name": {"$regex": "^(a+)+$"}})
    assert selected(facts, {"display_name": {"$regex": "^(a+)+!$"}})
    halves = RunFacts(replace(run, summary=json.dumps({"note": "\ud800a"})), None)
    assert selected(halves, {"summary_metrics.note": {"$regex": "a$"}})


def with_losses(run: Run, losses: list) -> list[RunFacts]:
    return [
        RunFacts(
            replace(run, id=i, summary=json.dumps({} if loss is None else {"loss": loss})), None
        )
        for i, loss in enumerate(losses)
    ]


def order(found: list[RunFacts], text: str | None) -> list[RunFacts]:
    return Order(text, RUN_FIELDS).sort(found)


def order_of(found: list[RunFacts]) -> list[int]:
    return [facts.run.id for facts in found]


def test_runs_without_a_number_come_last_both_ways(run: Run):
    found = with_losses(run, [0.3, None, 0.1, float("nan"), 0.2])
    assert order_of(order(found, "+summary_metrics.loss")) == [2, 4, 0, 1, 3]
    assert order_of(order(found, "-summary_metrics.loss")) == [0, 4, 2, 1, 3]


def test_later_keys_sort_what_earlier_ones_leave_equal(run: Run):
    found = with_losses(run, [1, 2, 1, 2])
    assert order_of(order(found, "-summary_metrics.loss,+created_at")) == [1, 3, 0, 2]
    assert order_of(order(found, None)) == [0, 1, 2, 3]


def test_times_are_sorted_as_times(run: Run):
    found = [
        RunFacts(replace(run, id=i, created_at=1000 + t), None)
        for i, t in enumerate((0.2, 0.9, 0.5))
    ]
    assert order_of(order(found, "-created_at")) == [1, 2, 0]
    assert order_of(order(found, "createdAt")) == [0, 2, 1]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (lambda: Filter(json.dumps({"config." + "a." * 300: 1}), RUN_FIELDS), "607 characters"),
        (lambda: Filter(json.dumps({"name": "x" * 500_000}), RUN_FIELDS), "at most 500,000"),
        (lambda: Order("state," * 11, RUN_FIELDS), "11 keys; use at most 10"),
    ],
)
def test_what_would_take_too_long_to_look_at_is_refused(what, expected):
    with pytest.raises(RequestError, match=expected):
        what()


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"a": {"b": 1}}, "a.b", 1),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"a": {"b": {"c": 1}}, "a.b": {"c": 2}}, "a.b.c", 2),
        ({"a": {"b": {"c": 1}}, "a.b": {"d": 2}}, "a.b.c", 1),
        ({"a": {"b": 1}}, "a.c", None),
        ({"": {"b": 1}, ".": {"b": 1}}, ".b", None),
        ({"a.": {"b": 1}}, "a..b", 1),
        ({1: {"b": 1}, "x": 2}, "1.b.c.d", None),
    ],
)
@pytest.mark.parametrize("more", [0, 20])
def test_the_longest_key_that_fits_is_followed(value, path, expected, more):
    """Whether a dictionary has fewer keys than the path has dots, or more."""
    value = value | {f"k{i}": i for i in range(more)}
    assert lookup(value, path) == expected
