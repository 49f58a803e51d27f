"""The page of the class and the leaderboard."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from sweepserver.app import make_app
from sweepserver.people import leaderboard
from sweepserver.people.auth import Authenticator
from sweepserver.people.roster import Person, admit
from tests.repository.documents import Page, are_in_order

KEYS = {name: f"local-{name:0<40}" for name in ("local", "ada", "bob", "cyd", "eve", "grace")}
CONFIG = "{method: grid, parameters: {lr: {values: [1, 2]}}}"
FOR_ACCURACY = CONFIG.replace("{", "{metric: {name: Validation Accuracy, goal: maximize}, ", 1)


class Class:
    """Everybody's client for one application."""

    def __init__(self, app):
        self.app = app

    def client(self, name: str) -> TestClient:
        client = TestClient(self.app, base_url="http://127.0.0.1", follow_redirects=False)
        client.auth = ("api", KEYS[name])
        return client

    def ask(self, name: str, query: str, **variables) -> dict:
        body = {"query": query, "variables": variables}
        reply = self.client(name).post("/graphql", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    def run(
        self, name: str, run: str, summary: dict, exitcode: int | None = 0, **more: object
    ) -> None:
        query = "mutation R($i: UpsertBucketInput!) { upsertBucket(input: $i) { inserted } }"
        values = {"name": run, "modelName": "p", "displayName": f"run {run}", **more}
        self.ask(name, query, i=values | {"summaryMetrics": json.dumps(summary)})
        if exitcode is not None:
            end = {"complete": True, "exitcode": exitcode}
            self.client(name).post(f"/files/{name}/p/{run}/file_stream", json=end)

    def sweep(self, name: str, config: str = CONFIG) -> str:
        """Register a sweep of a participant's; return its ID."""
        query = """mutation S($c: String!) { upsertSweep(input: {projectName: "p", config: $c})
            { sweep { name } } }"""
        return self.ask(name, query, c=config)["upsertSweep"]["sweep"]["name"]

    def page(self, name: str, path: str) -> str:
        page = self.client(name).get(path, headers={"Accept": "text/html"})
        assert page.status_code == 200, page.text
        return page.text


@pytest.fixture
def make_class(store) -> Iterator[Callable[..., Class]]:
    """Makes a server with some people."""

    def make(*names: str, **options) -> Class:
        people = [Person(name, name == "grace") for name in names]
        admit(store, people, KEYS.get)
        return Class(make_app(store, Authenticator(store, KEYS["local"]), **options))

    return make


def rows(page: str) -> dict[str, list[str]]:
    """Return the cells of a table by the first one, as texts."""
    found = {}
    for row in re.findall(r"<tr data-key.*?</tr>", page, re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        first, *rest = (re.sub(r"<[^>]+>", "", cell).strip() for cell in cells)
        found[first] = rest
    return found


def test_the_page_of_the_class_tells_the_latest_step_of_each(make_class):
    everybody = make_class("ada", "bob", "cyd", "eve", "grace")
    everybody.ask("bob", "query Viewer { viewer { id } }")
    for name in ("cyd", "eve"):
        sweep = everybody.sweep(name)
    everybody.ask(
        "eve",
        """mutation A($s: String!) { createAgent(input: {host: "h", projectName: "p", sweep: $s})
        { agent { id } } }""",
        s=sweep,
    )
    page = everybody.page("grace", "/class")
    assert {name: cells[0] for name, cells in rows(page).items()} == {
        "ada": "not signed in yet",
        "bob": "1 · signed in",
        "cyd": "2 · registered a sweep",
        "eve": "3 · started an agent",
    }
    assert re.findall(r"<strong>(\d)</strong> of 4 ([a-z ]+)", page) == [
        ("3", "signed in"),
        ("2", "registered a sweep"),
        ("1", "started an agent"),
        ("0", "analyzed runs"),
    ]
    assert "data-seconds" in page


RUNS = """query Runs($project: String!, $entity: String!) {
  project(name: $project, entityName: $entity) { runs { edges { node { %s } } } } }"""


def test_analyzing_is_reading_results_of_own_runs_that_have_ended(make_class):
    everybody = make_class("ada", "bob", "grace")

    def step(name: str) -> str:
        return rows(everybody.page("grace", "/class"))[name][0]

    everybody.run("ada", "r", {"acc": 1}, exitcode=None)
    everybody.run("bob", "r", {"acc": 1})
    everybody.ask("ada", RUNS % "summaryMetrics", project="p", entity="ada")
    assert step("ada") == "1 · signed in"
    everybody.client("ada").post("/files/ada/p/r/file_stream", json={"complete": True})
    everybody.ask("ada", RUNS % "state", project="p", entity="ada")
    everybody.ask("bob", RUNS % "summaryMetrics", project="p", entity="ada")
    assert (step("ada"), step("bob")) == ("1 · signed in", "1 · signed in")
    everybody.ask("ada", RUNS % "summaryMetrics", project="p", entity="ada")
    assert step("ada") == "4 · analyzed runs"


def test_a_step_is_written_once(make_class, store):
    everybody = make_class("ada")
    writes = []
    store._db.set_trace_callback(
        lambda statement: writes.append(statement) if statement.startswith("BEGIN") else None
    )
    for _ in range(5):
        everybody.ask("ada", "query Viewer { viewer { id } }")
    assert len(writes) == 1
    assert rows(make_class("ada").page("local", "/class"))["ada"][0] == "1 · signed in"


def test_the_page_of_the_class_counts_runs_and_leads_to_the_newest_failed_and_the_best(make_class):
    everybody = make_class("ada", "bob")
    everybody.sweep("ada", FOR_ACCURACY)
    everybody.run("ada", "r1", {"Validation Accuracy": 40.5})
    everybody.run("ada", "r2", {"Validation Accuracy": 71.25, "acc": 1})
    everybody.run("ada", "r3", {"Validation Accuracy": float("nan")}, exitcode=1)
    everybody.run("ada", "r4", {}, exitcode=1)
    everybody.run("ada", "r5", {"Validation Accuracy": "99"}, exitcode=None)
    page = everybody.page("local", "/class")
    found = rows(page)
    assert found["ada"][2:7] == ["1", "1", "2", "2", "71.25"]
    assert found["bob"][1:8] == ["—", "0", "0", "0", "0", "—", "—"]
    assert '<a href="./ada/p/runs/r4">2</a>' in page
    assert '<a href="./ada/p/runs/r2">71.25</a>' in page
    assert '<a href="./ada/p">ada</a>' in page


@pytest.mark.parametrize("path", ["/class", "/class?x=1"])
def test_only_instructors_see_the_page_of_the_class(make_class, path):
    everybody = make_class("ada", "grace")
    reply = everybody.client("ada").get(path, headers={"Accept": "text/html"})
    assert reply.status_code == 403
    assert "for the instructors" in reply.text
    assert 'href="./class"' not in everybody.page("ada", "/")
    for name in ("grace", "local"):
        assert 'href="./class"' in everybody.page(name, "/")


def test_the_leaderboard_has_the_best_run_of_each(make_class):
    everybody = make_class("ada", "bob", "cyd", "eve", "grace")
    everybody.sweep("cyd", FOR_ACCURACY)
    varied = {"lr": {"values": [1, 2]}, "b": {"values": ["<b>", "c"]}, "fixed": {"value": 3}}
    sweep = everybody.sweep("bob", json.dumps({"method": "grid", "parameters": varied}))
    point = json.dumps({name: {"value": value} for name, value in {"lr": 1, "b": "<b>"}.items()})
    logged = {"Validation Accuracy": 70, "Loss <b>": 30}
    everybody.run("bob", "r1", logged, sweep=sweep, config=point)
    for name, run, value in [
        ("ada", "r1", 50),
        ("ada", "r2", 60),
        ("cyd", "r1", {"max": 60}),
        ("grace", "r1", 99),
        ("local", "r1", 99),
    ]:
        loss = 40 if isinstance(value, dict) else 100 - value
        everybody.run(name, run, {"Validation Accuracy": value, "Loss <b>": loss})
    page = everybody.page("cyd", "/leaderboard")
    board = rows(page)
    assert [(name, *cells[:3]) for name, cells in board.items()] == [
        ("1. bob", "70", "lr 1, b &lt;b&gt;", "run r1"),
        ("2. ada", "60", "—", "run r2"),
        ("2. cyd (you)", "60", "—", "run r1"),
    ]
    assert "1 more has no run with this metric yet" in page
    assert "<b>" not in page
    page = everybody.page("cyd", "/leaderboard?metric=Loss <b>&goal=minimize")
    assert list(rows(page)) == ["1. bob", "2. ada", "2. cyd (you)"]
    page = everybody.page("cyd", "/leaderboard?metric=Loss <b>&goal=sideways")
    assert rows(page)["1. ada"][0] == "50"
    assert "No run has logged nothing yet" in everybody.page("cyd", "/leaderboard?metric=nothing")


def test_the_leaderboard_says_what_a_sweep_picked_as_the_table_of_its_runs_does(make_class):
    everybody = make_class("ada")
    varied = {"dropout": [None, 0.5], "lr": [0.001, 0.1], "depth": [1, 2], "name": ["a", "b"]}
    parameters = {name: {"values": values} for name, values in varied.items()}
    sweep = everybody.sweep("ada", json.dumps({"method": "grid", "parameters": parameters}))
    point = {"dropout": None, "lr": "1e-3", "name": "x" * 70}  # and no depth
    config = json.dumps({name: {"value": value} for name, value in point.items()})
    everybody.run("ada", "r1", {"Validation Accuracy": 70}, sweep=sweep, config=config)
    page = everybody.page("ada", "/leaderboard")
    assert rows(page)["1. ada (you)"][1].startswith("dropout null, lr 0.001, name xxx")
    assert f'title="dropout null, lr 0.001, name {"x" * 70}"' in page
    runs = rows(everybody.page("ada", "/ada/p"))
    assert runs["run r1"][2:6] == ["null", "0.001", "—", f"{'x' * 59}…"]


def test_many_runs_of_one_keep_nobody_from_the_leaderboard(make_class, monkeypatch):
    monkeypatch.setattr(leaderboard, "MOST_ENTITY_CHARACTERS", 300)
    everybody = make_class("ada", "bob")
    everybody.run("ada", "r", {"Validation Accuracy": 50})
    for run in range(9):
        everybody.run("bob", f"r{run}", {"Validation Accuracy": run, "text": "x" * 100})
    board = rows(everybody.page("ada", "/leaderboard"))
    assert list(board) == ["1. ada (you)", "2. bob"]
    assert board["2. bob"][0] == "8"


@pytest.mark.parametrize("address", ["/class", "/leaderboard", "/nothing/here"])
def test_a_screen_reader_finds_headings_in_order_and_names(make_class, address):
    everybody = make_class("ada", "grace")
    everybody.run("ada", "r1", {"Validation Accuracy": 50})
    reply = everybody.client("grace").get(address, headers={"Accept": "text/html"})
    page = Page(reply.text)
    assert are_in_order(page.levels), page.levels
    assert (page.language, page.unnamed) == ("en", [])
    assert page.title


def test_the_leaderboard_can_be_turned_off(make_class):
    everybody = make_class("ada", has_leaderboard=False)
    assert everybody.client("ada").get("/leaderboard").status_code == 404
    assert "leaderboard" not in everybody.page("ada", "/")
    assert "leaderboard" in make_class("ada").page("ada", "/")


def test_without_a_class_there_is_nothing_to_compare(make_class):
    alone = make_class()
    assert alone.client("local").get("/leaderboard").status_code == 404
    assert 'href="./class"' not in alone.page("local", "/")
    assert "--roster FILE" in alone.page("local", "/class")
