"""Every address that the client prints, or has as a property, leads to a page of the server."""

import re
import sys

import httpx2
import pytest

from tests.server.poster import SWEEP

PROJECT = "links & spaces"
SCRIPT = """
import inspect, pathlib, sys, wandb
project = sys.argv[1]
sweep_id = wandb.sweep({"method": "grid", "parameters": {"x": {"values": [1]}}}, project=project)
pathlib.Path("linked.txt").write_text("linked")
of_sweep = wandb.Settings(sweep_id=sweep_id)
with wandb.init(project=project, group="a/b c", id="r+1 =$@", settings=of_sweep) as run:
    artifact = wandb.Artifact("data-1", type="a & b")
    artifact.add_file("linked.txt")
    run.log_artifact(artifact, aliases=["best"]).wait()
    run.log({"loss": 1})
    for name in ("url", "project_url", "sweep_url", "to_html"):
        value = getattr(run, name)
        print(f"run.{name}", value() if callable(value) else value)
api = wandb.Api()
found = [
    api.project(project), api.sweep(f"{project}/{sweep_id}"), api.run(f"{project}/{run.id}"),
    api.artifact(f"{project}/data-1:best"), api.viewer,
    api.artifact_type("a & b", project), api.artifact_collection("a & b", f"{project}/data-1"),
]
for thing in found:
    for name, _ in inspect.getmembers(type(thing), lambda value: isinstance(value, property)):
        value = getattr(thing, name)
        if "url" in name:
            print(f"{type(thing).__name__}.{name}", value)
    if hasattr(thing, "to_html"):
        print(f"{type(thing).__name__}.to_html", thing.to_html())
"""


@pytest.fixture(scope="module")
def printed(local_server) -> str:
    """What the client prints, and the addresses of what it knows."""
    status, output = local_server.run(sys.executable, "-c", SCRIPT, PROJECT)
    assert status == 0, output
    (local_server.home / "code").mkdir()
    for name in ("main.py", "requirements.txt"):
        (local_server.home / "code" / name).touch()
    (local_server.home / "linked.yaml").write_text(str(SWEEP | {"program": "none.py"}))
    for command in (
        ("sweep", "--project", PROJECT, "linked.yaml"),
        ("artifact", "put", "--name", f"{PROJECT}/put", "--type", "t", "linked.txt"),
        ("job", "create", "--project", "jobs", "--name", "job-1", "-E", "main.py", "code", "code"),
    ):
        status, more = local_server.run("wandb", *command)
        assert status == 0, more
        output += more
    return output


def test_every_link_of_the_client_leads_to_its_page(local_server, printed):
    links = re.findall(rf"""{local_server.url}/[^'"\n]*""", printed)
    kinds = {
        "/workspace": "<h1>local/links &amp; spaces</h1>",
        "/sweeps/": "<h1>Sweep ",
        "/runs/": "<h1>Run ",
        "/artifacts/": "<h1>Artifact data-1:v0</h1>",
        "/jobs": ">job-1</a>",
    }
    seen = set()
    for link in links:
        page = httpx2.get(link, headers={"Accept": "text/html"})
        assert page.status_code == 200, link
        for kind, heading in kinds.items():
            if kind in link:
                assert heading in page.text
                seen.add(kind)
    assert seen == set(kinds), links
    assert {"run.sweep_url", "Project.url", "Sweep.url", "Run.url", "Artifact.url"} <= set(
        re.findall(r"^(\S+\.\w*url) http", printed, re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/local/links & spaces/groups/a/b c", "Group a/b c"),
        ("/local/links & spaces/groups/a%2Fb%20c/workspace", "Group a/b c"),  # W&B's own
        ("/local/links & spaces/artifacts/a & b/data-1/best", "Artifact data-1:v0"),
        ("/local/links & spaces/artifacts/a & b/data-1", "Artifact data-1"),
        ("/authorize?ref=models", "Your API key"),  # by `wandb login`
        ("/settings", "Your API key"),  # by its integration of OpenAI
    ],
)
def test_other_addresses_that_users_know(local_server, printed, address, words):
    page = httpx2.get(local_server.url + address, headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert f"<h1>{words}" in page.text.replace("&amp;", "&")
