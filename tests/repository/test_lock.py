"""What is installed is what the lock says, whoever installs it: make or conda."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from maintenance.conda_environment import ENVIRONMENT, LOCK, environment
from workshop.paths import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins():
    """The lines for pip in `environment.yml`, without the kit itself."""
    *_, last = yaml.safe_load(ENVIRONMENT.read_text())["dependencies"]
    assert last["pip"][-1] == "-e ."
    return [Requirement(line) for line in last["pip"][:-1]]


def locked():
    lines = re.findall(r"^([a-z0-9._-]+==[^\\\n]+)", LOCK.read_text(), re.MULTILINE)
    return {str(Requirement(line)) for line in lines}


def test_environment_is_the_one_that_the_lock_makes():
    assert ENVIRONMENT.read_text() == environment(LOCK.read_text()), "write it anew: make lock"


def test_every_package_is_locked_in_that_version(pins):
    assert len(pins) > 100
    assert {str(pin) for pin in pins} <= locked()


def test_every_direct_dependency_is_there_in_a_version_that_suits(pins):
    project = PYPROJECT["project"]
    direct = [*project["dependencies"], *project["optional-dependencies"]["hub"]]
    for wanted in map(Requirement, direct):
        versions = [
            str(pin.specifier).removeprefix("==") for pin in pins if pin.name == wanted.name
        ]
        assert versions, wanted
        assert all(wanted.specifier.contains(version) for version in versions), wanted


def test_python_is_the_one_that_the_lock_begins_with():
    conda = yaml.safe_load(ENVIRONMENT.read_text())["dependencies"]
    python = re.search(r"--python-version (\S+)", (ROOT / "Makefile").read_text())[1]
    assert f"python={python}" in conda
    assert PYPROJECT["project"]["requires-python"] == f">={python}"


def test_pip_takes_the_list_and_finds_all_of_it_installed(pins, tmp_path):
    """What conda does: pip alone, with its own solver, which knows none of uv's exceptions."""
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("\n".join(map(str, pins)))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "-r", wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Would install" not in done.stdout
