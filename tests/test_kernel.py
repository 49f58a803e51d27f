"""The kit as a kernel of a JupyterLab that is already there."""

import json
import os
import sys
from pathlib import Path

import nbclient
from jupyter_client.kernelspec import KernelSpecManager
from nbformat.v4 import new_code_cell, new_notebook

from workshop import cli
from workshop.classroom import kernel
from workshop.paths import ROOT


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
    assert "cannot be written (Not a directory): give an environment of yours" in said
    assert said.count("\n") == 1
