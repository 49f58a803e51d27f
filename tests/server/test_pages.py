import html
import json
import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from plotly.offline import get_plotlyjs

from sweepserver.pages import sweeps
from sweepserver.pages.assets import PLOTLY
from sweepserver.store.records import Run
from tests.repository.documents import Page, are_in_order
from tests.server.uploader import Uploader

EVIL = "<script>alert('x')</script>\"'"
PAGES = (
    "projects", "authorize", "project", "sweep", "run", "group", "artifacts", "artifact", "version",
)  # fmt: skip
every_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture
def pages(client, graphql) -> dict[str, str]:
    """The addresses of a project, a sweep and a run that hold hostile names and values."""
    config = {
        "method": "grid",
        "name": EVIL,
        "metric": {"name": "acc", "goal": "maximize"},
        "parameters": {"lr": {"values": [1, 2]}},
    }
    sweep = registered(graphql, config)["name"]
    for number, accuracy in enumerate((10, 30, 20)):
        graphql(
            "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }",
            input={
                "name": f"r{number}",
                "modelName": "p",
                "sweep": sweep,
                "displayName": f"run {number} {EVIL}",
                "notes": EVIL,
                "groupName": EVIL,
                "config": json.dumps({"lr": {"value": number}, EVIL: {"value": EVIL}}),
                "summaryMetrics": json.dumps({"acc": accuracy, EVIL: 1, "text": EVIL}),
            },
        )
    rows = [json.dumps({"_step": i, "acc": i, EVIL: i}) for i in range(5)] + ['{"acc": NaN}']
    files = {
        "wandb-history.jsonl": {"offset": 0, "content": rows},
        "output.log": {"offset": 0, "content": [EVIL]},
    }
    client.post("/files/local/p/r1/file_stream", json={"files": files})
    create = """mutation F($name: String!) { createRunFiles(
      input: {projectName: "p", runName: "r1", files: [$name]}) { files { uploadUrl } } }"""
    for name in ("sub/100% #1.txt", "<b>.txt"):
        url = graphql(create, name=name)["createRunFiles"]["files"][0]["uploadUrl"]
        client.put(url, content=b"x")
    # The server refuses a name with a slash, of which the closing of an element is one.
    evil = {"name": "<b>", "artifactTypeName": "<i> & co", "description": EVIL}
    Uploader(client, graphql, "r1").log(
        {"sub/100% #1.txt": b"x", EVIL: b"y"}, metadata=json.dumps({EVIL: EVIL}), **evil,
        aliases=[{"alias": "<s>"}], tags=[{"tagName": EVIL}],
    )  # fmt: skip
    artifact = f"/local/p/artifacts/{quote('<i> & co')}/{quote('<b>')}"
    return {
        "projects": "/",
        "authorize": "/authorize",
        "project": "/local/p",
        "sweep": f"/local/p/sweeps/{sweep}",
        "run": "/local/p/runs/r1",
        "group": f"/local/p/groups/{quote(EVIL, safe='')}",
        "artifacts": "/local/p/artifacts",
        "artifact": artifact,
        "version": f"{artifact}/v0",
    }


class Links(HTMLParser):
    """Collects what a page links to."""

    def __init__(self, text: str):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src", "action")]


@every_page
def test_pages_escape_what_users_logged(client, pages, name):
    page = client.get(pages[name])
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "<b>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@every_page
def test_every_link_is_relative_and_leads_somewhere(client, pages, name):
    address = pages[name]
    links = Links(client.get(address).text).found
    assert len(links) >= 3
    for link in links:
        if link.startswith("data:"):
            continue
        assert not link.startswith(("/", "http:"))
        assert client.get(str(client.base_url.join(address).join(link))).status_code == 200, link


@every_page
def test_a_screen_reader_finds_headings_in_order_and_names(client, pages, name):
    page = Page(client.get(pages[name]).text)
    assert are_in_order(page.levels), page.levels
    assert (page.language, page.unnamed) == ("en", [])
    assert page.title


def test_a_sweep_lists_its_runs_the_best_first(client, pages):
    page = client.get(pages["sweep"]).text.split('<table id="runs"')[1]
    assert re.findall(r">run (\d) ", page) == ["1", "2", "0"]


def test_a_project_shows_first_what_its_sweeps_varied_and_optimized(client, pages, graphql):
    for path in (pages["project"], pages["group"]):
        table = client.get(path).text.split('<table id="runs"')[1]
        heads = re.findall('<th scope="col"[^>]*>(.*?)</th>', table)
        assert heads[:5] == ["Run", "State", "Sweep", "lr", "acc"]
        assert "aria-sort" not in table
        first = table.split('<tr data-key="r1">')[1].split("</tr>")[0]
        assert re.findall('data-sort="([^"]*)"', first)[3:5] == ["1", "30"]


def test_a_run_shows_first_what_its_sweep_picked_and_optimizes(client, graphql):
    settings = {
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"lr": {"values": [1, 2]}, "fixed": {"value": 3}},
    }
    sweep = registered(graphql, settings)["name"]
    graphql(
        "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }",
        input={
            "name": "r",
            "modelName": "p",
            "sweep": sweep,
            "config": json.dumps({name: {"value": 1} for name in ("a", "fixed", "lr")}),
            "summaryMetrics": json.dumps({"accuracy": 1, "loss": 2}),
        },
    )
    page = client.get("/local/p/runs/r").text
    rows = re.findall('<th scope="row"( class="parameter")?>(\\w+)</th>', page)
    assert [name for _, name in rows] == ["loss", "accuracy", "lr", "a", "fixed"]
    assert [name for kind, name in rows if kind] == ["lr"]


def test_pages_renew_themselves_while_something_runs(client, pages):
    assert "data-seconds" in client.get(pages["run"]).text
    client.post("/files/local/p/r1/file_stream", json={"complete": True, "exitcode": 0})
    assert "data-seconds" not in client.get(pages["run"]).text


@every_page
def test_a_page_that_is_the_same_is_not_sent_again(client, pages, name):
    tag = client.get(pages[name]).headers["etag"]
    again = client.get(pages[name], headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(pages[name], headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/a", "/no/p", "/local/no", "/local/p/runs/no", "/a/b/c/d/e"])
def test_an_address_that_leads_nowhere_says_so(client, path):
    page = client.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<h1>This can't be shown</h1>" in page.text


def test_wandb_finds_no_telemetry_to_send_to(client):
    assert client.post("/sdk/otel/v1/metrics").status_code in (404, 405)


def registered(graphql, config: dict) -> dict:
    """Register a sweep in the project `p`; return its ID and its name."""
    return graphql(
        """mutation S($config: String!) {
          upsertSweep(input: {config: $config, projectName: "p"}) { sweep { id name } } }""",
        config=json.dumps(config),
    )["upsertSweep"]["sweep"]


def log(client, graphql, name: str, row: dict, **more) -> None:
    """Start a run in the project `p` and log a row, which is its summary too."""
    graphql(
        "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }",
        input={"name": name, "modelName": "p", **more},
    )
    text = json.dumps(row)
    files = {
        "wandb-history.jsonl": {"offset": 0, "content": [text]},
        "wandb-summary.json": {"offset": 0, "content": [text]},
    }
    client.post(f"/files/local/p/{name}/file_stream", json={"files": files})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -(10**400), 1e308, True, None, "", "x" * 5000, [1], {"a": {}}],
    ids=str,
)
def test_values_of_any_kind_are_shown(client, graphql, value):
    """Also as a parameter, as a metric, as what a run has done, and as the end of that."""
    settings = {"parameters": {"lr": {"values": [1, 2]}}, "metric": {"name": "Epoch"}}
    sweep = registered(graphql, {"method": "grid", **settings})["name"]
    config = json.dumps({"lr": {"value": value}, "num_epochs": {"value": value}})
    log(client, graphql, "r", {"Epoch": value, "_runtime": value}, config=config, sweep=sweep)
    events = {"wandb-events.jsonl": {"offset": 0, "content": [json.dumps({"_runtime": value})]}}
    client.post("/files/local/p/r/file_stream", json={"files": events})
    run = "/local/p/runs/r"
    for path in ("/", "/local/p", f"/local/p/sweeps/{sweep}", run):
        assert client.get(path).status_code == 200
    for path in (f"{run}/curves.json", f"{run}/system.json"):
        assert client.get(path).status_code == 200


def test_values_of_parameters_are_what_the_definition_makes_of_them(client, graphql):
    """A number that is written as text is sorted as one, and null is no missing value."""
    settings = {"parameters": {"lr": {"values": [None, "1e-1", 0.05]}, "x": {"values": [{}, 1]}}}
    sweep = registered(graphql, {"method": "grid", **settings})["name"]
    configs = {"text": {"lr": "1e-1", "x": {"a": 1}}, "null": {"lr": None}, "missing": {}}
    for name, config in configs.items():
        graphql(
            "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }",
            input={
                "name": name,
                "modelName": "p",
                "sweep": sweep,
                "config": json.dumps({key: {"value": value} for key, value in config.items()}),
            },
        )
    page = client.get(f"/local/p/sweeps/{sweep}").text
    rows = {
        name: re.findall("<td[^>]*>.*?</td>", page.split(f'<tr data-key="{name}">')[-1])[1:3]
        for name in configs
    }
    assert ">0.1<" in rows["text"][0]
    assert 'data-sort="0.1"' in rows["text"][0]
    assert "{&#34;a&#34;: 1}<" in rows["text"][1]
    assert ">null<" in rows["null"][0]
    assert ">—<" in rows["missing"][0]
    assert "<td>null</td>" in client.get("/local/p/runs/null").text


def test_a_long_list_comes_in_parts(client, graphql, store):
    graphql('mutation { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }')
    with store.writing():
        store.execute_many(
            "INSERT INTO runs (project_id, name, user, display_name, state, created_at, "
            "heartbeat_at) VALUES (1, ?, 'local', ?, 'finished', 0, 0)",
            [(f"r{number}", f"run {number}") for number in range(450)],
        )
    found = []
    link = "/local/p"
    while link:
        page = client.get(link).text
        found += re.findall(r">(run \d+)</a>", page)
        next_link = re.search(r'href="([^"]*)" rel="next"', page)
        link = next_link and f"/local/p{next_link[1]}"
    assert found == [f"run {number}" for number in range(449, -1, -1)]
    assert "Runs 1 to 200 of 451" in client.get("/local/p?page=no").text
    assert "Runs 401 to 451 of 451" in client.get("/local/p?page=99999999").text


def test_progress_is_told_as_far_as_it_is_known(client, graphql):
    log(client, graphql, "a", {"Epoch": 3}, config='{"num_epochs": {"value": 12}}')
    log(client, graphql, "b", {"_step": 7, "loss": 1}, config='{"max_steps": {"value": 70}}')
    log(client, graphql, "c", {"_step": 7, "loss": 1})
    graphql('mutation { upsertBucket(input: {name: "d", modelName: "p"}) { inserted } }')
    expected = {"a": "epoch 3 of 12", "b": "step 7 of 70", "c": "step 7", "d": "nothing yet"}
    for name, text in expected.items():
        assert f"{text}</dd>" in client.get(f"/local/p/runs/{name}").text


def test_console_lines_are_shown_without_marks_and_codes(client, graphql):
    log(client, graphql, "r", {})
    content = [
        "2026-11-23T16:18:04.486185 \x1b[32mgreen\x1b[0m",
        "ERROR 2026-11-23T16:18:05.000000 wrong",
        "no mark",
    ]
    files = {"output.log": {"offset": 0, "content": content}}
    client.post("/files/local/p/r/file_stream", json={"files": files})
    page = client.get("/local/p/runs/r").text
    shown = re.findall(r'<span data-key="(\d)"(?: class="(\w+)")?>(.*)\n</span>', page)
    assert shown == [("0", "", "green"), ("1", "error", "wrong"), ("2", "", "no mark")]


def test_plotly_comes_from_the_installed_package_and_stays(client, pages):
    page = client.get(pages["run"])
    (script,) = re.findall(r'src="([^"]*plotly[^"]*)"', page.text)
    reply = client.get(str(client.base_url.join(pages["run"]).join(script)))
    assert "immutable" in reply.headers["cache-control"]
    assert reply.text == get_plotlyjs()


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, GZIP;q=0.5", "gzip"),
        ("*", "gzip"),
        ("identity", None),
        ("gzip;q=0, *", None),
        ("*; q=0.000", None),
        ("", None),
    ],
)
def test_large_answers_are_compressed_for_those_who_take_it(client, pages, accepted, encoding):
    addresses = [f"{pages['run']}/curves.json", f"{pages['sweep']}/figures.json", f"/{PLOTLY}"]
    for address in addresses:
        reply = client.get(address, headers={"Accept-Encoding": accepted})
        assert reply.headers.get("content-encoding") == encoding
        assert reply.headers["vary"] == "Accept-Encoding"
        assert reply.text[0] in "{/"


def test_scripts_are_files_of_the_server_and_styles_stay_fresh(client, pages):
    policy = client.get(pages["run"]).headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'self' http://localhost:*" in policy
    style = client.get("/static/style.css")
    assert style.headers["cache-control"] == "no-cache"
    tag = {"If-None-Match": style.headers["etag"]}
    assert client.get("/static/style.css", headers=tag).status_code == 304


@pytest.mark.parametrize("end", ["runs/r1/curves.json", "runs/r1/system.json", "figures.json"])
def test_data_of_figures_is_for_those_who_may_see_the_page(client, pages, end):
    path = f"{pages['sweep']}/{end}" if end == "figures.json" else f"/local/p/{end}"
    reply = client.get(path)
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    client.auth = None
    assert client.get(path).status_code == 401


def test_a_sweep_with_several_goals_lists_its_front_and_no_best_run(client, graphql):
    goals = [{"name": "acc", "goal": "maximize"}, {"name": "seconds"}]
    config = {"method": "custom", "scheduler": {"engine": "optuna"}, "metrics": goals}
    sweep = registered(graphql, config)["name"]
    results = {"slow": (9, 9), "worse": (5, 6), "quick": (7, 3), "open": (10, 1)}
    for name, (accuracy, seconds) in results.items():
        log(client, graphql, name, {"acc": accuracy, "seconds": seconds}, sweep=sweep)
        if name != "open":
            client.post(
                f"/files/local/p/{name}/file_stream", json={"complete": True, "exitcode": 0}
            )
    page = client.get(f"/local/p/sweeps/{sweep}").text
    front = re.search(r"Pareto front.*?<dd>(.*?)</dd>", page, re.DOTALL).group(1)
    assert re.findall(r"runs/(\w+)", front) == ["slow", "quick"]
    assert "maximize acc, minimize seconds" in page
    assert "so no run of it is the best" in page
    assert re.findall(r'href="[^"]*/runs/(\w+)"', page.partition('id="runs"')[2])[:2] == [
        "slow",
        "quick",
    ]
    assert "Front</th>" in page
    assert client.get(f"/local/p/sweeps/{sweep}/figures.json").status_code == 200


def test_a_sweep_of_many_runs_shows_the_newest_and_says_so(client, graphql, store, monkeypatch):
    """All together they are more than a page may read."""
    monkeypatch.setattr(sweeps, "MOST_RUNS", 500)
    config = {
        "method": "random", "metric": {"name": "loss"}, "parameters": {"x": {"min": 0, "max": 1}}
    }  # fmt: skip
    sweep = registered(graphql, config)["name"]
    with store.writing():
        for number in range(600):
            store.add(
                Run, project_id=1, sweep_id=1, name=f"r{number}", user="local",
                display_name=f"r{number}", state="failed" if number % 2 else "finished",
                created_at=0, heartbeat_at=0,
                summary=json.dumps({"loss": number, "text": "x" * 100_000}),
            )  # fmt: skip
    page = client.get(f"/local/p/sweeps/{sweep}")
    assert page.status_code == 200
    assert "This sweep has 600 runs. The newest 500 are compared" in page.text
    assert f'wandb.Api().runs("local/p", {{"sweep": "{sweep}"}})' in html.unescape(page.text)
    assert "300 failed, 300 finished" in page.text
    assert "Runs 1 to 200 of 500, the best first" in page.text
    assert re.search(r"Best loss.*?runs/(\w+)", page.text, re.DOTALL)[1] == "r100"
    last = client.get(f"/local/p/sweeps/{sweep}?page=3").text.partition('id="runs"')[2]
    assert re.findall(r'href="[^"]*/runs/(\w+)"', last)[-1] == "r599"
    assert client.get(f"/local/p/sweeps/{sweep}/figures.json").status_code == 200


def test_what_a_sweep_has_stopped_early_is_told_from_what_somebody_has_stopped(
    client, graphql, store
):
    config = {
        "method": "random",
        "metric": {"name": "acc", "goal": "maximize"},
        "early_terminate": {"type": "hyperband", "min_iter": 1},
        "parameters": {"x": {"min": 0, "max": 1}},
    }
    sweep = registered(graphql, config)["name"]
    for name, accuracy in (("good", 9), ("bad", 1)):
        log(client, graphql, name, {"acc": accuracy}, sweep=sweep)
        stopped = client.post(f"/files/local/p/{name}/file_stream", json={}).json()["stopped"]
        assert stopped == (name == "bad")
    client.post("/files/local/p/bad/file_stream", json={"complete": True, "exitcode": 255})
    assert "1 running, 1 stopped early" in client.get(f"/local/p/sweeps/{sweep}").text
    assert ">stopped early</span>" in client.get("/local/p/runs/bad").text


def test_what_was_enqueued_and_never_started_has_not_ended(client, graphql, store):
    config = {
        "method": "grid",
        "run_cap": 1,
        "scheduler": {"engine": "wandb"},
        "parameters": {"x": {"values": [1, 2]}},
    }
    found = registered(graphql, config)
    log(client, graphql, "done", {"acc": 1}, sweep=found["name"])
    client.post("/files/local/p/done/file_stream", json={"complete": True, "exitcode": 0})
    queued = graphql(
        """mutation E($id: ID!) {
          enqueueSweepRun(input: {id: $id, config: "{}", displayName: "left over"}) {
            id } }""",
        id=found["id"],
    )["enqueueSweepRun"]["id"]
    store.change(store.find(Run, name=queued), state="killed")  # as the end of the sweep does
    page = client.get(f"/local/p/sweeps/{found['name']}").text
    assert "1 finished, 1 never started" in page
    assert re.findall(r"<dd>(\d+) of (\d+) <progress", page) == [("1", "1")]
    assert ">never started</span>" in client.get(f"/local/p/runs/{queued}").text
    assert ">1 of 1</td>" in client.get("/local/p").text


def test_a_sweep_whose_parameters_only_its_scheduler_knows(client, graphql):
    config = {"method": "custom", "scheduler": {"engine": "optuna"}, "metric": {"name": "m"}}
    sweep = registered(graphql, config)["name"]
    log(client, graphql, "r", {"m": 1}, sweep=sweep)
    assert client.get("/local/p").status_code == 200
    assert client.get(f"/local/p/sweeps/{sweep}").status_code == 200
    assert client.get(f"/local/p/sweeps/{sweep}/figures.json").status_code == 200


def test_a_sweep_of_points_and_seeds_has_a_place_for_their_means(client, graphql):
    places = []
    for varied in ({"x": [1, 2]}, {"x": [1, 2], "seed": [0, 1]}, {"seed": [0, 1]}):
        parameters = {name: {"values": values} for name, values in varied.items()}
        config = {"method": "grid", "metric": {"name": "m"}, "parameters": parameters}
        sweep = registered(graphql, config)["name"]
        places.append('data-figure="points"' in client.get(f"/local/p/sweeps/{sweep}").text)
    assert places == [False, True, False]
