"""What the client selects is what it asked for, since what is selected is often deleted."""

import pytest

SELECTING = """
import json, time, wandb

api = wandb.Api()
names = [api.create_run(project="selection").id for _ in range(6)]
sweep = wandb.sweep({"method": "grid", "parameters": {"lr": {"values": [1]}}}, project="selection")

def left():
    return len(wandb.Api().runs("selection"))

def emptied(filters, order="+created_at"):
    # A usual way to clean up, with a fresh client, which keeps what it has read.
    try:
        for run in wandb.Api().runs("selection", filters=filters, order=order):
            run.delete()
    except Exception as error:
        return str(error)
    return "nothing was refused"

def found(filters=None, order="+created_at"):
    return [run.id for run in wandb.Api().runs("selection", filters=filters, order=order)]

first = api.run(f"selection/{names[0]}")
seen = {
    "refused": {
        json.dumps(filters): emptied(filters)
        for filters in (
            {"tag": "debug"},
            {"id": names[0]},
            {"sweepName": sweep},
            {"foo": None},
            {"$or": [{"state": "failed"}, {"$and": [{"tag": "debug"}]}]},
            {"state": "failed", "tags": {"$all": ["debug"]}},
            {"display_name": {"$regex": "x", "$options": "i"}},
            {"createdAt": {"$gt": "yesterday"}},
        )
    },
    "refused order": emptied(None, order="-loss"),
    "left": left(),
    "newest first": found(order="-created_at") == names[::-1],
    "entity": [len(found({"entity": "local", "state": "running"})), found({"entity": "nobody"})],
    "times": [
        len(found({"createdAt": {"$gte": first.created_at}})),
        len(found({"createdAt": {"$gt": time.time() - 600, "$lt": time.time() + 600.5}})),
        found({"createdAt": {"$lt": "2026-01-01T00:00:00.5+02:00"}}),
    ],
    "sweeps": [
        [found.id for found in api.project("selection").sweeps(filters={"name": sweep})] == [sweep],
    ],
}
for kind, select in {
    "sweeps": lambda: list(api.project("selection").sweeps(filters={"stat": "RUNNING"})),
    "collections": lambda: list(api.project("selection").collections(filters={"tags": "x"})),
}.items():
    try:
        seen[f"refused {kind}"] = str(select())
    except Exception as error:
        seen[f"refused {kind}"] = str(error)
begun = time.monotonic()
first.display_name = "a" * 28 + "!"
first.update()
seen["regular expression"] = [
    found({"display_name": {"$regex": "^(a+)+$"}}), time.monotonic() - begun
]
for run in wandb.Api().runs("selection", filters={"name": names[0]}):
    run.delete()
seen["left after one was deleted"] = left()
seen["none left"] = [emptied({"state": "running"}), left()]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(local_server) -> dict:
    """What a client got that looked for runs, and deleted those that it found."""
    return local_server.python(SELECTING)


def test_nothing_is_deleted_by_a_filter_that_is_not_understood(seen):
    assert "nothing was refused" not in seen["refused"].values()
    assert seen["left"] == 6
    assert "did you mean 'tags'?" in seen["refused"]['{"tag": "debug"}']
    assert "cannot be selected or sorted by 'loss'" in seen["refused order"]


def test_sweeps_and_artifacts_are_selected_by_known_keys_alone(seen):
    assert seen["sweeps"] == [True]
    assert "did you mean 'state'?" in seen["refused sweeps"]
    assert "did you mean 'tag'?" in seen["refused collections"]


def test_times_and_names_select_what_they_say(seen):
    assert seen["newest first"]
    assert seen["entity"] == [6, []]
    assert seen["times"] == [6, 6, []]


def test_a_regular_expression_holds_nobody_up(seen):
    found, seconds = seen["regular expression"]
    assert found == []
    assert seconds < 60


def test_what_is_selected_can_be_deleted(seen):
    assert seen["left after one was deleted"] == 5
    assert seen["none left"] == ["nothing was refused", 0]
