"""A copy, a store and a sweep of an older version keep working after an upgrade."""

import os
import subprocess
import sys

import pytest

from tests.ports import free_ports
from workshop.classroom.copies import copy, is_outdated
from workshop.paths import ROOT

pytestmark = pytest.mark.slow

BEFORE = "b68261c425b2c33d6897a3e9420d4b81d74a1a5c"
"""The last commit whose kit was one package of flat modules, and whose store had format 4."""

BEGIN = """
from workshop import agents, backend, sweep

grid = {
    "program": "workshop/wandb_sweep.py",
    "command": ["${env}", "python", "-m", "workshop.wandb_sweep", "${args}"],
    "method": "grid",
    "metric": {"name": "Validation Accuracy", "goal": "maximize"},
    "parameters": {
        "learning_rate": {"values": [0.1, 0.01]},
        "scale": {"value": "tiny"},
        "num_epochs": {"value": 1},
    },
}
with backend.session("local"):
    path = sweep.register(grid, "upgrade")
    agents.run_processes(path, tasks=1, at_once=1, count=1)
print(path)
"""

COMPLETE = """
import sys
from workshop import connection
from workshop.analyze import fetch_runs, history
from workshop.connection import backend
from workshop.run_agents import run_processes

path = sys.argv[1]
with backend.session("local"):
    [before] = fetch_runs(path).to_dict("records")
    run_processes(path, tasks=1, at_once=1)
    runs = fetch_runs(path)
    assert list(runs["state"]) == ["finished", "finished"]
    assert sorted(runs["learning_rate"]) == [0.01, 0.1]
    assert before["run"] in set(runs["run"])
    logged = history(runs["path"], ["Epoch", "Validation Accuracy"])
    assert len(logged) == 2
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """The kit as it was, without the rest of the repository."""
    folder = tmp_path_factory.mktemp("kit")
    command = ["git", "archive", BEFORE, "workshop", "configs", "notebooks", "slurm", "docs"]
    command += ["README.md", "LICENSE"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        pytest.skip("the commit of the older version is not in this clone, which is a shallow one")
    subprocess.run(["tar", "--extract"], cwd=folder, input=found.stdout, check=True)
    return folder


def run(script, *arguments, **variables):
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=variables["PYTHONPATH"],
        env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_copy_goes_on_and_its_sweep_is_completed_by_this_version(kit, tmp_path):
    mine = tmp_path / "mine"
    script = f"from workshop.cli import main; main(['copy', '{mine}'])"
    run(script, PYTHONPATH=str(kit), WORKSHOP_HOME=str(tmp_path / "unused"))

    # The packages are today's, the modules those of the copy.
    port, other = map(str, free_ports(2))
    bare = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], "WORKSHOP_PORT": port}
    begun = subprocess.run(
        ["bash", "-c", f"source '{mine}/activate' && python -c '{BEGIN}'"],
        cwd=mine, env=bare, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert begun.returncode == 0, begun.stdout + begun.stderr
    path = begun.stdout.split()[-1]
    assert (mine / ".workshop" / "server" / "store.sqlite").exists()

    assert is_outdated(copy(mine)), "nothing of this version was added to it"
    assert (mine / "workshop" / "sweep.py").exists()
    assert not (mine / "workshop" / "define").exists()

    # The store under this version, whose sweep starts a program by its name of then.
    place = {"WORKSHOP_HOME": str(mine / ".workshop"), "WORKSHOP_PORT": other}
    run(COMPLETE, path, PYTHONPATH=str(ROOT), **place)
    assert (mine / ".workshop" / "server" / "store.format-4.sqlite").exists()
