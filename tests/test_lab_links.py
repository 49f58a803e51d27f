"""`workshop lab` on a login node: links lead through the one address that a tunnel brings."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from tests.ondemand.lab import Lab
from tests.waiting import patience, wait_for_text
from workshop.classroom import lab_links

NOTEBOOK = """
from workshop.connection.backend import connect
from workshop.notebook_display import link
server = connect("local")
print("shown", link(f"{server.url}/").data)
"""
PROGRAM = """import wandb; wandb.init(project="lab").finish()"""


@contextmanager
def lab(folder, *options):
    """Run `workshop lab`, from any folder; yield a browser that is signed in, and its log."""
    log = folder / "log"
    command = [Path(sys.executable).parent / "workshop", "lab", "--no-browser", "--port=0"]
    home = {"WORKSHOP_HOME": str(folder / "home")}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--allow-root", *options], cwd=folder, env=os.environ | home,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        said = wait_for_text(log, "copy and paste", process)
        printed = urlsplit(re.findall(r"http://\S+token=\w+", said)[-1])
        found = Lab(printed.netloc, printed.path.removesuffix("/lab"), f"http://{printed.netloc}")
        assert found.send("GET", f"{printed.path}?{printed.query}").status_code == 200
        yield found, said
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=patience(180))


def test_links_of_notebooks_and_of_the_client_lead_through_jupyterlab(tmp_path):
    with lab(tmp_path, "--ServerApp.base_url=/some/where") as (browser, said):
        assert set(re.findall(r"http://([^/\s]+)\S*token=", said)) == {browser.host}
        printed = browser.run(NOTEBOOK)
        typed = browser.type(f"{sys.executable} -c '{PROGRAM}'")
        links = [
            *re.findall(r"its pages: (\S+)", printed),
            *re.findall(r"shown \[(\S+)\]\(", printed),
            *re.findall(r"View run \S+ at: \S*?(http://[^\s\x1b]+)", typed),
        ]
        assert len(links) == 3
        for link in links:
            assert link.startswith(f"http://{browser.host}/some/where/proxy/")
            page = browser.send("GET", urlsplit(link).path)
            assert page.status_code == 200
            assert "The workshop's local W&amp;B server" in page.text


@pytest.fixture
def told(monkeypatch):
    """Return a function that tells what a server's children are told, and no more."""
    for name in ("WORKSHOP_PROXY_PREFIX", "JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:8517")
    before = {}

    def told(url, **variables):
        before.update(os.environ)
        os.environ.update(variables)
        server = SimpleNamespace(connection_url=url, base_url="/x/")
        asyncio.run(lab_links._start_jupyter_server_extension(server))
        return {name: value for name, value in os.environ.items() if before.get(name) != value}

    return told


def test_a_server_for_other_machines_is_known_by_its_path(told):
    assert told("http://node1:8888/x/") == {"WORKSHOP_PROXY_PREFIX": "/x/"}


def test_a_hub_knows_better(told):
    hub = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}
    assert told("http://127.0.0.1:8888/x/", **hub) == hub
