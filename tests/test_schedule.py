"""How the tests' processes are scheduled, and what one test leaves to the next."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import leftovers
from workshop.paths import ROOT

TWO_TESTS = """
import wandb
def test_one(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb.setup().settings.mode == "disabled"
def test_other():
    assert wandb.setup().settings.mode == "online"
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_nowhere.py", "ERROR: file or directory not found: test_nowhere.py"),
        ("test_here.py::test_nothing", "ERROR: not found: "),
    ],
)
def test_a_name_without_a_test_is_named(tmp_path, name, said):
    (tmp_path / "test_here.py").write_text("def test_something(): pass")
    done = pytest_in(tmp_path, name)
    assert (done.returncode, said in done.stderr) == (pytest.ExitCode.USAGE_ERROR, True), done


def test_a_client_does_not_keep_the_mode_of_the_test_before(tmp_path):
    (tmp_path / "test_mode.py").write_text(TWO_TESTS)
    done = pytest_in(tmp_path, "test_mode.py")
    assert done.returncode == pytest.ExitCode.OK, done


def pytest_in(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a folder in one process beside this one, by the plugins of the tests."""
    plugins = ("-p", "tests.fixtures.run", "-p", "tests.fixtures.schedule")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-c", os.devnull, "-n", "1", name],
        env=leftovers.elsewhere() | {"PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
