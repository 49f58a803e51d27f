"""A run of the tests that is killed leaves nothing behind."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import leftovers
from tests.fixtures.requirements import lacking
from tests.hub.running import missing, participants
from tests.waiting import wait_for
from workshop.paths import ROOT

DIES = """
import os, pathlib, signal, subprocess

def test_that_dies():
    daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
    word = pathlib.Path(os.environ["WORD"])
    word.write_text(f"{daemon.pid} {os.environ['WORKSHOP_TEST_RUN']}")
    os.kill(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid(), signal.SIGKILL)
    signal.pause()
"""


def is_alive(process: int) -> bool:
    """Tell whether a process runs; one that has ended may wait for whoever started it."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(") ")[2][0] != "Z"


@pytest.mark.parametrize("options", [[], ["-n", "1"]], ids=["one process", "workers"])
def test_a_run_that_is_killed_ends_what_it_started(tmp_path, options):
    (tmp_path / "test_dying.py").write_text(DIES)
    added = {"WORD": str(tmp_path / "word"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "tests.fixtures.run", "-c", os.devnull]
    done = subprocess.run(
        [*command, *options, tmp_path],
        env=leftovers.elsewhere() | added,
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout
    daemon, folder = (tmp_path / "word").read_text().split()
    wait_for(lambda: not is_alive(int(daemon)) and not Path(folder).exists())


def test_the_next_run_cleans_up_after_one_whose_cleaner_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, living = tmp_path / f"{leftovers.PREFIX}1", tmp_path / f"{leftovers.PREFIX}2"
    daemons = {}
    for folder in (dead, living):
        folder.mkdir()
        environment = os.environ | {leftovers.RUN: str(folder)}
        daemons[folder] = subprocess.Popen(["sleep", "600"], env=environment)
    with (living / "alive").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        leftovers.clean_dead_runs()
    assert not dead.exists()
    assert daemons[dead].wait() == -signal.SIGKILL
    assert living.exists()
    assert daemons[living].poll() is None
    daemons[living].kill()
    daemons[living].wait()


def test_a_users_temporary_files_go_with_them(tmp_path):
    if reason := missing():
        lacking("hub", reason)
    with participants(1) as (one,):
        made = subprocess.run(
            ["runuser", "-u", one.name, "--", "mktemp", "--directory"],
            env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        folder, link = Path(made), Path(f"{made}-link")
        assert folder.owner() == one.name
        link.symlink_to(tmp_path)
        os.lchown(link, folder.stat().st_uid, -1)
    assert not folder.exists()
    assert not link.is_symlink()
    assert tmp_path.exists()
