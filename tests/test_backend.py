import netrc
import os
import stat
import subprocess
import sys

import pytest
import wandb

from workshop.connection import backend, local_server
from workshop.define import definition
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.paths import home
from workshop.preflight import server as preflight


def test_local_server_is_announced_and_its_key_kept_in_a_private_file(server, capsys):
    assert backend.connect("local") == server
    line = capsys.readouterr().out
    assert line.startswith(f"W&B: local server at {server.url} (entity local, data in ")
    assert line.count("\n") == 1
    assert stat.S_IMODE(local_server.netrc_file().stat().st_mode) == 0o600
    ((_, _, key),) = netrc.netrc(local_server.netrc_file()).hosts.values()
    assert key not in str(os.environ)


def test_auto_takes_the_server_of_the_environment(server, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    assert backend.connect("auto").kind == "local server"
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(WorkshopError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        backend.connect("auto")


def test_analysis_goes_on_while_the_server_is_away(server, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("NETRC", str(local_server.netrc_file()))
    found = backend.connect("http://127.0.0.1:9", must_answer=False)
    assert found == backend.Backend("server", "http://127.0.0.1:9", "")
    assert capsys.readouterr().out.startswith("offline: the W&B server at http://127.0.0.1:9")
    assert os.environ["WANDB_BASE_URL"] == found.url
    assert "NETRC" not in os.environ, "keys of other servers are in the user's own file"

    monkeypatch.setenv("NETRC", "of the user")
    backend._set_environment("server", found.url)
    assert os.environ["NETRC"] == "of the user"


def test_a_client_that_started_with_another_server_follows(server, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    wandb.teardown()
    assert wandb.setup().settings.base_url == "http://127.0.0.1:9"
    backend.connect("local")
    parameters = {"learning_rate": {"values": [0.1]}}
    assert wandb.sweep({"method": "grid", "parameters": parameters}, project="follows")


def test_key_of_an_account_is_not_sent_to_the_local_server(server, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert backend.connect("local").entity == "local"


def test_unknown_choice_names_the_possible_ones():
    with pytest.raises(WorkshopError, match="'locale' is not known: use 'auto', 'local'"):
        backend.connect("locale")


@pytest.mark.parametrize("page", ["https://wandb.ai/me", "https://forge.coreweave.com/wandb"])
def test_the_address_of_pages_is_told_from_that_of_the_server(page):
    told = f"{page} is not the address of a W&B server ("
    with pytest.raises(WorkshopError) as caught:
        backend.connect(page)
    assert str(caught.value).startswith(told)
    (finding,) = preflight.findings(page)
    assert finding.found.startswith(told)
    assert finding.verdict == "problem"
    assert finding.next_step.endswith("for an account, the backend 'wandb'")


def test_wrong_key_is_an_error_with_the_next_step(server, tmp_path):
    """Connect in a process of its own: a client that has logged in once keeps its key."""
    wrong = tmp_path / "netrc"
    wrong.write_text(local_server.netrc_file().read_text().replace("local-", "local-0"))
    program = (
        "from pathlib import Path\n"
        "from workshop import errors\n"
        "from workshop.connection import backend, local_server\n"
        f"local_server.netrc_file = lambda: Path({str(wrong)!r})\n"
        "raise SystemExit(errors.exit_status(lambda: backend.connect('local')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"the W&B server at {server.url} did not accept your key" in line
    assert f"run `wandb login --host {server.url}`" in line
    assert "Traceback" not in done.stderr


def test_restarted_server_has_the_same_address_and_sweeps(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    first = local_server.start()
    try:
        assert local_server.running() == first == local_server.start()
    finally:
        assert local_server.stop()
    assert local_server.running() is None
    assert not local_server.stop()
    assert local_server.start() == first
    local_server.stop()


def test_server_that_cannot_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    (tmp_path / "server").write_text("a file where the store's folder should be")
    with pytest.raises(WorkshopError, match=r"did not start: .*server.*\(see .*server\.log\)"):
        local_server.start()


def test_session_stops_only_what_it_started(server):
    with backend.session("local"):
        pass
    assert local_server.running() == server.url


def test_nothing_is_written_outside_of_the_home(server):
    registration.register(definition.load("configs/sweep_config.yaml"), "folders")
    for variable in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        assert os.environ[variable].startswith(str(home()))
