"""A participant's own copy is used instead of the kit that is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workshop import cli
from workshop.classroom import jupyterhub_jobs
from workshop.classroom.copies import copy
from workshop.errors import WorkshopError
from workshop.paths import ROOT


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
    for name in ("README.md", "configs/config.yaml", "sweepserver/api/schema.graphql"):
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
    says = "from workshop.trainer.config import resolve; print(resolve({}).seed)"
    assert in_shell(mine, f'python -c "{says}"') == "77"


def test_second_copy_leaves_what_was_changed_and_brings_what_is_missing(mine, capsys):
    notebook = mine / "notebooks" / "01_define_the_sweep.ipynb"
    notebook.write_text("changed")
    (mine / "configs" / "sweep_config.yaml").unlink()
    assert cli.main(["copy", str(mine)]) == 0
    assert notebook.read_text() == "changed"
    assert (mine / "configs" / "sweep_config.yaml").exists()
    assert f"source '{mine}/activate'\n" in capsys.readouterr().out


def test_copy_is_made_complete_from_a_terminal_that_uses_it(mine):
    notebook = mine / "notebooks" / "02_initialize_the_sweep.ipynb"
    before = notebook.read_bytes()
    for bring in (
        lambda: in_shell(mine, f"workshop copy '{mine}'"),
        lambda: subprocess.run(
            ["workshop", "copy", mine], env=jupyterhub_jobs.environment(mine), cwd="/", check=True
        ),
    ):
        notebook.unlink()
        bring()
        assert notebook.read_bytes() == before


def test_nothing_is_added_to_a_copy_of_a_kit_with_other_modules(tmp_path, capsys):
    """A package beside a module of its name would take that one's place."""
    old = copy(tmp_path / "old")
    notebook = old / "notebooks" / "02_initialize_the_sweep.ipynb"
    notebook.unlink()
    (old / ".layout").write_text("of another version")
    assert cli.main(["copy", str(old)]) == 0
    assert "from another version of the kit" in capsys.readouterr().out
    assert not notebook.exists()
    (old / ".layout").unlink()  # as in copies that were made before there was one
    copy(old)
    assert not notebook.exists()


def test_copy_of_a_copy_is_one_of_the_kit(mine, tmp_path):
    (mine / "docs" / "slurm.md").write_text("changed")
    other = tmp_path / "other"
    says = f"from workshop import cli; cli.main(['copy', '{other}'])"
    in_shell(mine, f'python -c "{says}"')  # whose prefix is the copy's link
    assert (other / "docs" / "slurm.md").read_bytes() == (ROOT / "docs" / "slurm.md").read_bytes()
    assert (other / ".kit").readlink() == ROOT
    assert (other / ".venv").readlink() == Path(sys.prefix).resolve()


def test_kit_that_is_gone_is_a_sentence(mine, tmp_path):
    other = copy(tmp_path / "other")
    (other / ".kit").unlink()
    (other / ".kit").symlink_to("/gone/kit")
    with pytest.raises(subprocess.CalledProcessError) as raised:
        in_shell(other, f"workshop copy '{other}'")
    assert raised.value.stderr.startswith(
        f"error: {other} is a copy of the kit in /gone/kit, which"
    )
    assert copy(other) == other
    assert (other / ".kit").readlink() == ROOT


def test_empty_folder_of_somebody_becomes_private(tmp_path):
    tmp_path.chmod(0o755)
    assert copy(tmp_path).stat().st_mode & 0o777 == 0o700


def test_what_is_large_is_shared(mine):
    assert (mine / ".venv").resolve() == Path(sys.prefix).resolve()
    assert (mine / "data").exists() == (ROOT / "data").exists()


def test_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorkshopError, match="is not empty"):
        copy(tmp_path)
    with pytest.raises(WorkshopError, match=r"cannot be copied to .*Not a directory"):
        copy(tmp_path / "file" / "folder")
    for folder in (ROOT, ROOT / "notebooks"):
        with pytest.raises(WorkshopError, match="is part of the kit itself"):
            copy(folder)
