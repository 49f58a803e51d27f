import json
import re
from html.parser import HTMLParser

import pytest

EVIL = "<script>alert('x')</script>\"'"


@pytest.fixture
def pages(client, graphql) -> dict[str, str]:
    """The addresses of a project, a sweep and a run that hold hostile names and values."""
    config = json.dumps(
        {
            "method": "grid",
            "name": EVIL,
            "metric": {"name": "acc", "goal": "maximize"},
            "parameters": {"lr": {"values": [1, 2]}},
        }
    )
    sweep = graphql(
        """mutation S($config: String!) {
          upsertSweep(input: {config: $config, projectName: "p"}) { sweep { name } } }""",
        config=config,
    )["upsertSweep"]["sweep"]["name"]
    for number, accuracy in enumerate((10, 30, 20)):
        graphql(
            "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }",
            input={
                "name": f"r{number}",
                "modelName": "p",
                "sweep": sweep,
                "displayName": f"run {number} {EVIL}",
                "notes": EVIL,
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
    return {
        "projects": "/",
        "authorize": "/authorize",
        "project": "/local/p",
        "sweep": f"/local/p/sweeps/{sweep}",
        "run": "/local/p/runs/r1",
    }


class Links(HTMLParser):
    """Collects what a page links to."""

    def __init__(self, text: str):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("href", "src", "action")]


@pytest.mark.parametrize("name", ["projects", "authorize", "project", "sweep", "run"])
def test_pages_escape_what_users_logged(client, pages, name):
    page = client.get(pages[name])
    assert page.status_code == 200
    assert "<script>" not in page.text
    assert "<b>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["projects", "authorize", "project", "sweep", "run"])
def test_every_link_is_relative_and_leads_somewhere(client, pages, name):
    address = pages[name]
    links = Links(client.get(address).text).found
    assert len(links) >= 3
    for link in links:
        if link.startswith("data:"):
            continue
        assert not link.startswith(("/", "http:"))
        assert client.get(str(client.base_url.join(address).join(link))).status_code == 200, link


def test_a_sweep_lists_its_runs_the_best_first(client, pages):
    page = client.get(pages["sweep"]).text.split('<table id="runs"')[1]
    assert re.findall(r">run (\d) ", page) == ["1", "2", "0"]


def test_pages_renew_themselves_while_something_runs(client, pages):
    assert "data-seconds" in client.get(pages["run"]).text
    client.post("/files/local/p/r1/file_stream", json={"complete": True, "exitcode": 0})
    assert "data-seconds" not in client.get(pages["run"]).text


@pytest.mark.parametrize("name", ["projects", "authorize", "project", "sweep", "run"])
def test_a_page_that_is_the_same_is_not_sent_again(client, pages, name):
    tag = client.get(pages[name]).headers["etag"]
    again = client.get(pages[name], headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(pages[name], headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/a", "/no/p", "/local/no", "/local/p/runs/no", "/a/b/c/d/e"])
def test_an_address_that_leads_nowhere_says_so(client, path):
    page = client.get(path, headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<h1>This cannot be shown</h1>" in page.text


def test_wandb_finds_no_telemetry_to_send_to(client):
    assert client.post("/sdk/otel/v1/metrics").status_code in (404, 405)
