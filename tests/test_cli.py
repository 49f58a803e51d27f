import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workshop import cli, local_server

WORKSHOP = Path(sys.executable).parent / "workshop"


def test_server_says_how_to_reach_it_and_stops_with_ctrl_c(tmp_path):
    environment = os.environ | {"WORKSHOP_HOME": str(tmp_path / "home")}
    process = subprocess.Popen(
        [WORKSHOP, "server"], env=environment, stdout=subprocess.PIPE, text=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    url = re.search(r" at (http://127\.0\.0\.1:\d+)", "".join(lines)).group(1)
    variables = dict(re.findall(r"(\w+)=(\S+)", "".join(lines)))
    assert variables["WANDB_BASE_URL"] == url
    login = [sys.executable, "-m", "wandb", "login", "--verify"]
    done = subprocess.run(login, env=environment | variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    process.stdout.close()
    assert not (tmp_path / "home" / "server" / "server.json").exists()


def test_stop_without_a_server_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    assert cli.main(["stop"]) == 0
    assert "was not running" in capsys.readouterr().out


def test_server_that_runs_already_is_not_stopped_by_a_second_one(server, capsys):
    assert cli.main(["server"]) == 0
    assert f"runs already: {server.url}" in capsys.readouterr().out
    other = [WORKSHOP, "server", "--no-leaderboard"]
    done = subprocess.run(other, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"in use by another server ({server.url}" in done.stderr
    assert local_server.running() == server.url


def test_server_lists_its_own_options(capsys):
    with pytest.raises(SystemExit):
        cli.main(["server", "--help"])
    page = capsys.readouterr().out
    assert page.startswith("usage: workshop server ")
    assert all(option in page for option in ("--roster", "--certfile", "--no-leaderboard"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tutorial", "-p", "scale"], "parameter 'scale' has no value: write it as name=value"),
        (["tutorial", "--backend", "locale"], "backend 'locale' is not known"),
        (["tutorial", "-p", "scael=class"], "no notebook has the parameter 'scael' (did you mean"),
    ],
)
def test_bad_input_is_a_sentence_and_status_2(server, arguments, words, capsys):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert f"error: {words}" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("arguments", [["stop", "--all"], ["nothing"], []])
def test_unknown_commands_and_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as raised:
        cli.main(arguments)
    assert raised.value.code == 2
    assert "usage: workshop" in capsys.readouterr().err
