"""Links that a reader's browser can follow."""

import os
import subprocess
import sys

import pytest

from tests.waiting import patience
from workshop.connection import browser_links
from workshop.connection.backend import connect
from workshop.define.definition import load
from workshop.initialize.registration import get, register
from workshop.notebook_display import link

HUB = "https://hub.example.org/user/ada/"
SERVER = "http://127.0.0.1:8517"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in (
        "WORKSHOP_PROXY_PREFIX", "JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX",
        "WORKSHOP_PROXY_HOST",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def on_hub(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", HUB)
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (SERVER, f"{HUB}proxy/8517/"),
        (f"{SERVER}/local/p/sweeps/x?q=1", f"{HUB}proxy/8517/local/p/sweeps/x?q=1"),
        ("http://localhost:1/a", f"{HUB}proxy/1/a"),
        ("http://class.example.org:8517/a", "http://class.example.org:8517/a"),
        ("https://127.0.0.1:8517/a", "https://127.0.0.1:8517/a"),
        (f"{HUB}proxy/8517/a", f"{HUB}proxy/8517/a"),
    ],
)
def test_only_a_server_on_this_machine_is_seen_by_the_proxy(url, shown, on_hub):
    assert browser_links.in_browser(url) == shown


def test_without_a_proxy_a_link_stays_as_it_is():
    assert browser_links.in_browser(f"{SERVER}/a") == f"{SERVER}/a"
    assert browser_links.proxy_host() is None


def test_a_hub_on_loopback_is_not_taken_for_the_server(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", "http://127.0.0.1:8000/user/ada/")
    shown = browser_links.in_browser(f"{SERVER}/a")
    assert shown == "http://127.0.0.1:8000/user/ada/proxy/8517/a"
    assert browser_links.in_browser(shown) == shown


def test_a_hub_that_does_not_know_its_address_gives_a_path(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    assert link(f"{SERVER}/a").data == "[/user/ada/proxy/8517/a](/user/ada/proxy/8517/a)"
    assert browser_links.proxy_host() is None


def test_what_starts_jupyter_may_say_where_it_is(monkeypatch, on_hub):
    monkeypatch.setenv("WORKSHOP_PROXY_PREFIX", "https://ondemand.example.org/node/n1/4242")
    assert (
        browser_links.in_browser(SERVER) == "https://ondemand.example.org/node/n1/4242/proxy/8517/"
    )
    assert browser_links.proxy_host() == "ondemand.example.org"
    monkeypatch.setenv("WORKSHOP_PROXY_HOST", "n1")
    assert browser_links.proxy_host() == "n1"


def test_the_client_prints_links_that_can_be_followed(server, on_hub, capsys, tmp_path):
    server = connect("local")
    base = browser_links.in_browser(server.url)
    assert f"; its pages: {base}" in capsys.readouterr().out
    path = register(load("configs/sweep_config.yaml"), "links")
    address = f"{base}local/links/sweeps/{path.split('/')[-1]}"
    assert address in capsys.readouterr().out
    assert link(get(path).url).data == f"[{address}]({address})"
    program = "import wandb; wandb.init(project='links').finish()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=patience(300),
    )
    assert f"{base}local/links/runs/" in done.stderr
    assert f"{server.url}/local" not in done.stderr


def test_another_server_gets_no_links_of_the_local_one(server, on_hub):
    connect("local")
    assert os.environ["WANDB_APP_URL"].startswith(HUB)
    connect("http://class.example.invalid:1", must_answer=False)
    assert "WANDB_APP_URL" not in os.environ


def test_an_address_of_pages_that_somebody_set_stays(server, on_hub, monkeypatch):
    monkeypatch.setenv("WANDB_APP_URL", "https://pages.example.org")
    connect("local")
    assert os.environ["WANDB_APP_URL"] == "https://pages.example.org"


def test_the_client_is_told_which_notebook_this_is(server, monkeypatch, tmp_path):
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "gone.ipynb"))
    connect("local")
    assert "WANDB_NOTEBOOK_NAME" not in os.environ
    (tmp_path / "my.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "my.ipynb"))
    connect("local")
    assert os.environ["WANDB_NOTEBOOK_NAME"] == "my.ipynb"
