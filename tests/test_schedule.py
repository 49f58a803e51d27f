"""How the tests' processes are scheduled."""

import os
import subprocess
import sys

import pytest

from tests import leftovers
from workshop.paths import ROOT


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test_nowhere.py", "ERROR: file or directory not found: test_nowhere.py"),
        ("test_here.py::test_nothing", "ERROR: not found: "),
    ],
)
def test_a_name_without_a_test_is_named(tmp_path, name, said):
    (tmp_path / "test_here.py").write_text("def test_something(): pass")
    plugins = ("-p", "tests.fixtures.run", "-p", "tests.fixtures.schedule")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-c", os.devnull, "-n", "1", name],
        env=leftovers.elsewhere() | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, said in done.stderr) == (pytest.ExitCode.USAGE_ERROR, True), done
