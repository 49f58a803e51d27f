"""A participant's own copy is used instead of the kit that is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workshop import cli
from workshop.errors import WorkshopError
from workshop.paths import ROOT
from workshop.personal import copy


def in_shell(folder, command):
    """Run a command in a shell that uses a copy; return what it prints."""
    bare = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}
    done = subprocess.run(
        ["bash", "-c", f"source '{folder}/activate' && {command}"],
        cwd="/", env=bare, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home of ada") / "my sweeps"
    assert copy(folder) == folder
    return folder


def test_copy_is_private_and_has_everything(mine):
    assert mine.stat().st_mode & 0o777 == 0o700
    for name in ("README.md", "configs/config.yaml", "workshop/server/schema.graphql"):
        assert (mine / name).read_bytes() == (ROOT / name).read_bytes()
    assert len(list(mine.glob("notebooks/0*.ipynb"))) >= 7
    assert not list(mine.rglob("__pycache__"))


def test_shell_uses_the_copy_with_the_packages_of_the_kit(mine):
    says = "import wandb; from workshop.paths import home; print(home())"
    assert in_shell(mine, f'python -c "{says}"') == f"{mine}/.workshop"
    assert in_shell(mine, "workshop check --help").startswith("usage: workshop check")


def test_config_of_the_copy_counts(mine):
    config = mine / "configs" / "config.yaml"
    config.write_text(config.read_text().replace("seed: 0 ", "seed: 77 "))
    says = "from workshop.config import resolve; print(resolve({}).seed)"
    assert in_shell(mine, f'python -c "{says}"') == "77"


def test_second_copy_leaves_what_was_changed_and_brings_what_is_missing(mine, capsys):
    notebook = mine / "notebooks" / "01_define_the_sweep.ipynb"
    notebook.write_text("changed")
    (mine / "configs" / "sweep_config.yaml").unlink()
    assert cli.main(["copy", str(mine)]) == 0
    assert notebook.read_text() == "changed"
    assert (mine / "configs" / "sweep_config.yaml").exists()
    assert f"source {mine}/activate" in capsys.readouterr().out


def test_what_is_large_is_shared(mine):
    assert (mine / ".venv").resolve() == Path(sys.prefix).resolve()
    assert (mine / "data").exists() == (ROOT / "data").exists()


def test_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorkshopError, match="holds something else"):
        copy(tmp_path)
    with pytest.raises(WorkshopError, match=r"cannot be copied to .*Not a directory"):
        copy(tmp_path / "file" / "folder")
    with pytest.raises(WorkshopError, match="belongs to the kit itself"):
        copy(ROOT / "notebooks")
