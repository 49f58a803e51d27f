"""The notebooks run, and what is compared is what is stored in them."""

import os
import re
import subprocess
import sys

import pytest

from tests.notebooks import at_scale
from workshop.batch.execution import numbered_notebooks, tutorial_notebooks
from workshop.batch.report import summary
from workshop.connection import backend, local_server
from workshop.initialize import registration
from workshop.paths import CONFIGS
from workshop.run_agents import rehearsal

NOTEBOOK_FILES = numbered_notebooks()
SCALES = {"tiny": 30, "smoke": 80}
"""The scale at which `make test` trains, and `make test-all`; and an accuracy, in %, of each."""


@pytest.fixture
def scale(request):
    small, stored = SCALES
    return stored if request.config.option.runslow else small


@pytest.fixture
def notebooks(scale, tmp_path):
    """The notebooks for nbval: as they are, or those of the tutorial at a smaller scale.

    Notebook 07 is always at the smaller one: nothing that is compared depends on it, and it trains
    as long as the whole tutorial.
    """
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "configs").symlink_to(CONFIGS)
    if scale == "smoke":
        small, _ = SCALES
        return [
            at_scale(small, path, tmp_path / "notebooks") if path.name.startswith("07") else path
            for path in NOTEBOOK_FILES
        ]
    # The first does not train, and what it shows of the scale is compared.
    first, *others = tutorial_notebooks()
    return [first, *[at_scale(scale, path, tmp_path / "notebooks") for path in others]]


def test_notebooks_run_and_checked_outputs_are_the_stored_ones(
    notebooks, scale, tmp_path, monkeypatch
):
    """Run nbval over the notebooks in order, on a server of their own, then the summary."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    for variable in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(variable)
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider"]
    command += ["--durations=5", "--rootdir", tmp_path]
    try:
        with rehearsal.session():
            done = subprocess.run(
                [*command, *notebooks], cwd=tmp_path, capture_output=True, text=True, check=False
            )
        print(done.stdout)
        assert done.returncode == 0, done.stdout
        with backend.session("local"):
            path = registration.newest(backend.PROJECT)
            told = summary(path)
    finally:
        local_server.stop()
    assert f"Sweep: {path}, 8 runs" in told
    assert "Data: digits" in told
    rows = re.findall(
        r"^ *[a-z]+-sweep-\d+ +(?:adam|sgd) +(\S+) +(\S+) +(\S+)$", told, re.MULTILINE
    )
    assert len(rows) == 8
    assert [requested for requested, _, _ in rows] == [effective for _, effective, _ in rows]
    assert {float(requested) for requested, _, _ in rows} == {0.1, 0.01, 0.001, 0.0001}
    assert max(float(accuracy) for _, _, accuracy in rows) > SCALES[scale]
