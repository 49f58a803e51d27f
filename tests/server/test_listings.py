import json
from collections.abc import Callable

import pytest

from sweepserver.api import pagination
from sweepserver.store.database import Store
from sweepserver.store.records import Project, Run

RUNS = """query Runs($filters: JSONString, $after: String, $first: Int, $order: String) {
  project(name: "p") {
    runCount(filters: $filters)
    runs(filters: $filters, after: $after, first: $first, order: $order) {
      edges { node { name } cursor } pageInfo { endCursor hasNextPage } } } }"""


@pytest.fixture
def project(store: Store) -> Project:
    """A project with seven runs, the oldest with the largest loss."""
    project = store.add(Project, entity="local", name="p", created_at=0)
    for number in range(7):
        add_run(store, project, number, loss=7 - number)
    return project


def add_run(store: Store, project: Project, number: int, loss: float) -> Run:
    with store.writing():
        return store.add(
            Run,
            project_id=project.id,
            name=f"r{number}",
            user="local",
            display_name="x",
            state="finished",
            created_at=number,
            heartbeat_at=number,
            summary=json.dumps({"loss": loss}),
        )


class Reader:
    """Reads a list of runs page by page, as the public API does."""

    def __init__(self, graphql: Callable[..., dict], **variables):
        self.graphql, self.variables, self.has_next = graphql, variables, True

    def page(self) -> list[str]:
        data = self.graphql(RUNS, **self.variables)["project"]
        edges, info = data["runs"]["edges"], data["runs"]["pageInfo"]
        self.count, self.has_next = data["runCount"], info["hasNextPage"]
        assert not edges or edges[-1]["cursor"] == info["endCursor"]
        self.variables["after"] = info["endCursor"]
        return [edge["node"]["name"] for edge in edges]

    def rest(self) -> list[str]:
        names = []
        while self.has_next:
            names += self.page()
        return names


def test_pages_follow_each_other(graphql, project):
    reader = Reader(graphql, first=3)
    assert [reader.page(), reader.page(), reader.page()] == [
        ["r0", "r1", "r2"], ["r3", "r4", "r5"], ["r6"],
    ]  # fmt: skip
    assert (reader.count, reader.has_next) == (7, False)


def test_a_list_stays_as_it_was_while_it_is_read(graphql, store, project):
    reader = Reader(graphql, first=3, order="+summary_metrics.loss")
    seen = reader.page()
    assert seen == ["r6", "r5", "r4"]
    with store.writing():
        store.change(store.find(Run, name="r0"), summary='{"loss": -1}')
        store.change(store.find(Run, name="r6"), summary='{"loss": 100}')
        store.remove(store.find(Run, name="r2"))
    add_run(store, project, 7, loss=-2)
    assert seen + reader.rest() == ["r6", "r5", "r4", "r3", "r1", "r0"]
    assert Reader(graphql, first=2, order="+summary_metrics.loss").page() == ["r7", "r0"]


@pytest.mark.parametrize("filters", ['{"state": "finished"}', '{"summary_metrics.loss": 9}', "{}"])
def test_the_count_is_that_of_now(graphql, store, project, filters):
    before = graphql(RUNS, filters=filters)["project"]["runCount"]
    add_run(store, project, 7, loss=9)
    assert graphql(RUNS, filters=filters)["project"]["runCount"] == before + 1


def test_a_change_that_was_undone_is_not_in_a_list(client, graphql, project):
    query = """mutation Undone {
      a: upsertBucket(input: {name: "new", modelName: "p"}) {
        bucket { project { runs(filters: "{}") { edges { cursor } } } } }
      b: upsertBucket(input: {name: "bad/name", modelName: "p"}) { inserted }
    }"""
    assert client.post("/graphql", json={"query": query}).status_code == 400
    assert len(Reader(graphql).page()) == 7


def test_a_list_that_was_forgotten_goes_on_as_it_is_by_then(graphql, store, project):
    reader = Reader(graphql, first=3)
    reader.page()
    for number in range(pagination.MOST_LISTS_KEPT):
        graphql(RUNS, filters=json.dumps({"name": str(number)}))
    add_run(store, project, 7, loss=0)
    assert reader.rest() == ["r3", "r4", "r5", "r6", "r7"]


def test_runs_are_sorted_and_selected_whose_summaries_are_more_than_may_be_read(
    graphql, store, project, monkeypatch
):
    with store.writing():
        store.execute("UPDATE runs SET summary = json_set(summary, '$.x', ?)", "x" * 100_000)
    monkeypatch.setattr("sweepserver.api.graphql.MOST_READ_BYTES", 500_000)
    filters = json.dumps({"summary_metrics.loss": {"$lt": 7}})
    reader = Reader(graphql, first=1, order="+summary_metrics.loss", filters=filters)
    assert reader.rest() == ["r6", "r5", "r4", "r3", "r2", "r1"]
    with pytest.raises(AssertionError, match="reads and answers more than 0 MiB"):
        Reader(graphql, first=1, order="+summary_metrics.x").page()


def test_the_cursor_of_another_list_tells_nothing_but_the_place(graphql, project):
    reader = Reader(graphql, first=3)
    reader.page()
    reader.variables["order"] = "-created_at"
    assert reader.page() == ["r3", "r2", "r1"]


@pytest.mark.parametrize("cursor", ["", "x", "x:y", ":", "1:-5", "9" * 30, "x:²"])
def test_a_cursor_that_is_none_begins_at_the_first_run(graphql, project, cursor):
    assert Reader(graphql, first=2, after=cursor).page() == ["r0", "r1"]


def test_a_filter_by_sweep_or_name_finds_what_it_would_without_the_shortcut(graphql, project):
    sweep = graphql(
        """mutation S { upsertSweep(input: {projectName: "p",
          config: "{method: grid, parameters: {a: {value: 1}}}"}) { sweep { name } } }"""
    )["upsertSweep"]["sweep"]["name"]
    create = "mutation R($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
    graphql(create, i={"name": "swept", "modelName": "p", "sweep": sweep})
    for condition, expected in (
        ({"sweep": sweep}, ["swept"]),
        ({"$and": [{"sweep": sweep}, {"state": "running"}]}, ["swept"]),
        ({"sweep": {"$in": [sweep, "other"]}}, ["swept"]),
        ({"sweep": {"$in": [None]}}, [f"r{i}" for i in range(7)]),
        ({"sweep": {"$ne": sweep}}, [f"r{i}" for i in range(7)]),
        ({"sweep": None}, [f"r{i}" for i in range(7)]),
        ({"sweep": "other"}, []),
        ({"name": {"$in": ["r5", "r1", "no"]}}, ["r1", "r5"]),
        ({"name": "r3", "state": "running"}, []),
        ({"$or": [{"sweep": sweep}, {"name": "r3"}]}, ["r3", "swept"]),
    ):
        reader = Reader(graphql, filters=json.dumps(condition), first=10)
        assert (reader.page(), reader.count) == (expected, len(expected)), condition
