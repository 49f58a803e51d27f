"""Signing in, and the pages of a class, in a browser."""

import json

import httpx2
import pytest

from sweepserver.people.keys import key_file, read_key
from tests.browser.web import prefixed
from tests.fixtures.server import launch

pytestmark = pytest.mark.browser

PREFIX = "/user/ada/proxy/8999"


@pytest.fixture(scope="module")
def class_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    roster = folder / "people.csv"
    roster.write_text("name,role\nada,\nbob,\ngrace,instructor\n")
    server = launch(folder / "store", folder / "home", 0, ("--roster", str(roster)))
    yield server
    server.stop()


@pytest.fixture
def keys(class_server) -> dict[str, str]:
    return {name: read_key(key_file(class_server.store, name)) for name in ("ada", "bob", "grace")}


def log_run(server, key: str, run: str, accuracy: float) -> None:
    query = "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }"
    summary = json.dumps({"Validation Accuracy": accuracy})
    values = {"name": run, "modelName": "p", "summaryMetrics": summary}
    body = {"query": query, "variables": {"input": values}}
    assert httpx2.post(f"{server.url}/graphql", auth=("api", key), json=body).status_code == 200


def register(server, key: str) -> None:
    """Register a sweep, whose metric is what the pages of the class compare by."""
    query = "mutation S($input: UpsertSweepInput!) { upsertSweep(input: $input) { sweep { id } } }"
    config = {
        "method": "random",
        "metric": {"name": "Validation Accuracy", "goal": "maximize"},
        "parameters": {"x": {"min": 0.0, "max": 1.0}},
    }
    values = {"entityName": "bob", "projectName": "p", "config": json.dumps(config)}
    body = {"query": query, "variables": {"input": values}}
    answer = httpx2.post(f"{server.url}/graphql", auth=("api", key), json=body).json()
    assert answer["data"]["upsertSweep"]["sweep"]["id"]


def test_a_browser_is_asked_once_and_its_cookie_stays_under_the_prefix(class_server, keys, page):
    with prefixed(class_server.url, PREFIX) as base:
        page.goto(f"{base}/leaderboard?goal=minimize")
        page.wait_for_selector("#key:focus")
        page.keyboard.type("local-wrong")
        page.keyboard.press("Enter")
        page.get_by_role("alert").wait_for()
        page.fill("#key", keys["ada"])
        page.keyboard.press("Enter")
        page.wait_for_selector("h1 >> text=Leaderboard")
        assert page.url == f"{base}/leaderboard?goal=minimize"
        (cookie,) = page.context.cookies()
        assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == (PREFIX, True, "Lax")
        page.click("text=Projects")
        page.wait_for_selector("header >> text=ada")
        page.click("text=Sign out")
        page.wait_for_selector("#key")
        assert page.context.cookies() == []


def test_the_pages_of_a_class_renew_themselves(class_server, keys, page):
    register(class_server, keys["bob"])
    page.goto(f"{class_server.url}/class")
    page.fill("#key", keys["grace"])
    page.keyboard.press("Enter")
    page.wait_for_selector("#participants >> text=bob")
    page.click("#participants th >> text=Best")
    page.click("#participants th >> text=Best")
    log_run(class_server, keys["bob"], "one", 60)
    page.wait_for_selector("#participants tr:first-child a >> text=60")
    page.click("text=Leaderboard")
    page.wait_for_selector("#leaderboard >> text=1. bob")
    page.select_option("[name=goal]", "minimize")
    log_run(class_server, keys["ada"], "two", 70)
    page.wait_for_selector("#leaderboard >> text=1. ada")
    assert page.input_value("[name=goal]") == "minimize"
    page.click("text=Show")
    page.wait_for_selector("#leaderboard >> text=1. bob")


def test_the_pages_of_a_class_fit_a_phone(class_server, keys, page):
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"{class_server.url}/class")
    page.fill("#key", keys["grace"])
    page.keyboard.press("Enter")
    for title in ("Class", "Leaderboard"):
        page.wait_for_selector(f"h1 >> text={title}")
        page.wait_for_load_state()  # with its style sheet
        assert page.evaluate("document.documentElement.scrollWidth") == 360, title
        page.click("text=Leaderboard")
