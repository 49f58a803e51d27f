import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import patience
from workshop import cli
from workshop.connection import local_server
from workshop.define import definition
from workshop.initialize import registration

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
    assert process.wait(timeout=patience(180)) == 0
    process.stdout.close()
    assert not (tmp_path / "home" / "server" / "server.json").exists()


def test_stop_without_a_server_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    assert cli.main(["stop"]) == 0
    assert "was not running" in capsys.readouterr().out


def test_server_that_runs_already_is_not_stopped_by_a_second_one(server, capsys):
    assert cli.main(["server"]) == 0
    said = capsys.readouterr().out
    assert f"already running: {server.url}" in said
    assert f"\n  export WANDB_BASE_URL={server.url} NETRC={local_server.netrc_file()}\n" in said
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


def test_help_lists_every_command_for_those_who_need_it(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    page = capsys.readouterr().out
    for reader, command in (
        ("learners", "lab"),
        ("instructors", "results"),
        ("maintainers", "run"),
    ):
        assert f"for {reader}:" in page
        assert re.search(rf"^  {command} +[A-Z]", page, re.M)
    with pytest.raises(SystemExit):
        cli.main(["nothing"])
    known = set(re.findall(r"'(\w+)'", capsys.readouterr().err)) - {"nothing"}
    assert set(" ".join(cli.GROUPS.values()).split()) == known


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "-p", "scale"], "parameter 'scale' has no value: write it as name=value"),
        (["run", "--backend", "locale"], "backend 'locale' is not known"),
        (["run", "-p", "scael=class"], "no notebook has the parameter 'scael' (did you mean"),
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


@pytest.fixture(scope="module")
def path(server):
    return registration.register(definition.load("configs/sweep_config.yaml"), "command-line")


class TestSubmit:
    def test_a_dry_run_shows_command_and_script_without_slurm(self, path, capsys):
        options = [
            "--runs-per-task",
            "3",
            "--at-once",
            "2",
            "-o",
            "time=02:00:00",
            "-o",
            "exclusive",
        ]
        assert cli.main(["submit", path, *options, "--dry-run"]) == 0
        printed = capsys.readouterr().out
        assert "--array=1-3%2" in printed  # eight runs, three a task
        assert "--time=02:00:00" in printed
        assert re.search(r"--exclusive \\$", printed, re.MULTILINE)
        assert "WORKSHOP_RUNS_PER_TASK=3" in printed
        assert "#SBATCH --requeue" in printed

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--site", "exampel"], "no site profile 'exampel' (did you mean 'example'?)"),
            (["--tasks", "0"], "tasks must be at least 1, got 0"),
            (["-o", "array=1-3"], "the sbatch option 'array' is set by the plan itself"),
            (["-o", "tasks=4"], "'tasks' is no option of sbatch"),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, path, options, message, capsys):
        assert cli.main(["submit", path, *options, "--dry-run"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert message in said
        assert said.count("\n") == 1

    @pytest.mark.parametrize("option", ["site=x", "runs_per_task=2", "show"])
    def test_a_repair_takes_options_of_sbatch_alone(self, path, option, capsys):
        assert cli.main(["repair", path, "-o", option]) == 2
        name = option.partition("=")[0]
        assert f"error: {name!r} is no option of sbatch: -o takes" in capsys.readouterr().err

    def test_a_sweep_that_never_was_an_array_says_so(self, path, capsys):
        assert cli.main(["status", path]) == 0
        said = capsys.readouterr().out
        assert "no array was submitted for this sweep (none is recorded in " in said
        assert "use `workshop submit`" in said


def test_reader_that_has_seen_enough_is_no_error():
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{WORKSHOP}' check --json | head -c 1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")
