"""What is installed is what the lock says, whoever installs it: make, conda, or a kernel."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbclient
import pytest
import yaml
from jupyter_client.kernelspec import KernelSpecManager
from nbformat.v4 import new_code_cell, new_notebook
from packaging.requirements import Requirement

from maintenance.conda_environment import ENVIRONMENT, LOCK, environment
from workshop import cli, kernel
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


def test_kernel_is_registered_runs_this_kit_and_is_removed(tmp_path, monkeypatch, capsys):
    prefix = tmp_path / "hub"
    assert cli.main(["kernel", "--prefix", str(prefix)]) == 0
    assert "Kernel 'Sweep Workshop': " in capsys.readouterr().out
    specification = json.loads(
        (prefix / "share/jupyter/kernels/sweep-workshop/kernel.json").read_text()
    )
    assert specification["display_name"] == "Sweep Workshop"

    monkeypatch.setenv("JUPYTER_PATH", str(prefix / "share/jupyter"))
    monkeypatch.setenv("PYTHONPATH", "")
    source = "import sys, workshop; print(sys.executable, workshop.__file__, sep='\\n')"
    notebook = new_notebook(cells=[new_code_cell(source)])
    folder = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, kernel_name=kernel.NAME, resources=folder).execute()
    python, package = notebook.cells[0].outputs[0].text.split()
    assert python == sys.executable
    assert Path(package) == ROOT / "workshop/__init__.py"

    assert cli.main(["kernel", "--prefix", str(prefix), "--remove"]) == 0
    assert kernel.NAME not in KernelSpecManager().find_kernel_specs()
    assert cli.main(["kernel", "--prefix", str(prefix), "--remove"]) == 2
    assert "no kernel 'sweep-workshop' is registered in" in capsys.readouterr().err


def test_kernel_of_a_user_is_in_the_user_s_folder(capsys):
    assert cli.main(["kernel"]) == 0
    folder = Path(os.environ["HOME"]) / ".local/share/jupyter/kernels/sweep-workshop"
    assert (folder / "kernel.json").is_file()
    assert cli.main(["kernel", "--remove"]) == 0
    assert not folder.exists()


def test_kernel_that_cannot_be_registered_is_a_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["kernel", "--prefix", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert "cannot be written (Not a directory): name an environment of yours" in said
    assert said.count("\n") == 1
