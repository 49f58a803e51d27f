"""The kit and its server as wheels: what is in them, and that a new user gets on with one alone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.waiting import patience
from workshop import __version__
from workshop.classroom import copies
from workshop.paths import ROOT


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Build both in a copy of what git knows, since building leaves its own files."""
    folder = tmp_path_factory.mktemp("wheels")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        target = folder / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, target, follow_symlinks=False)
    uv = [Path(sys.executable).parent / "uv", "build", "--quiet", "--offline"]
    for options in ([folder / "clone"], ["--wheel", folder / "clone/packaging/sweepserver"]):
        command = [*uv, "--no-build-isolation", "--python", sys.executable, "--out-dir", folder]
        subprocess.run([*command, *options], check=True, timeout=patience(120))
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """Install the kit's wheel in an environment which has the other packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    command = [Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--offline"]
    command += ["--no-deps", "--python", folder / "bin" / "python", wheels["sweep_workshop"]]
    subprocess.run(command, check=True, timeout=patience(120))
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    (folder / "share").symlink_to(Path(sys.prefix) / "share")  # Jupyter's kernels and templates
    return folder


@pytest.fixture
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def workshop(installed, tmp_path, home):
    """Return a function that runs the wheel's command in a folder, as somebody without a clone."""

    def run(*arguments, folder=tmp_path):
        environment = {
            "PATH": f"{installed}/bin:{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(home),
            "WORKSHOP_PORT": os.environ["WORKSHOP_PORT"],
        }
        return subprocess.run(
            ["workshop", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
            timeout=patience(300), check=False,
        )  # fmt: skip

    return run


def test_a_wheel_has_every_file_of_a_copy(wheels):
    with zipfile.ZipFile(wheels["sweep_workshop"]) as wheel:
        names = {name.removeprefix("workshop/kit/") for name in wheel.namelist()}
    assert {*copies.files_of(ROOT)} - names == set()


def test_the_server_alone_has_every_file_and_the_dependencies_of_its_group(wheels):
    with zipfile.ZipFile(wheels["sweepserver"]) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        (metadata,) = [name for name in wheel.namelist() if name.endswith("METADATA")]
        assert f"\nVersion: {__version__}\n" in wheel.read(metadata).decode()
        assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert sorted(names) == sorted(n for n in copies.files_of(ROOT) if n.startswith("sweepserver/"))
    own = tomllib.loads((ROOT / "packaging/sweepserver/pyproject.toml").read_text())["project"]
    kit = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert [Requirement(line).name for line in own["dependencies"]] == kit["dependency-groups"][
        "server"
    ]
    bayes = own["optional-dependencies"]["bayes"]
    # Without upper bounds, which `make newest` lifts for the kit.
    lower, known = (
        {line.partition(",")[0] for line in lines}
        for lines in ([*own["dependencies"], *bayes], kit["project"]["dependencies"])
    )
    assert lower <= known


def test_version_and_help_need_no_copy(workshop):
    assert workshop("--version").stdout == f"workshop {__version__}\n"
    for words in (["--help"], ["adopt", "--help"], ["server", "--help"], ["site", "new", "--help"]):
        done = workshop(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("usage: workshop ")


def test_what_is_about_own_files_works_in_their_folder_with_the_usual_copy(
    workshop, tmp_path, home
):
    (tmp_path / "mine.txt").touch()
    done = workshop("new", "mine")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Your copy of the workshop: ~/sweep-workshop\n")
    assert f"then: workshop adopt {tmp_path}/mine/sweep_config.yaml\n" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "mine.txt"}
    # From now on, every command uses it.
    assert (home / "sweep-workshop" / "activate").exists()
    assert workshop("stop").stdout == "the local W&B server was not running\n"
    done = workshop("adopt", "mine/train.py")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {tmp_path}/mine/train.py cannot be read (No such file or directory): give the "
        "path of a Python program\n"
    )


@pytest.mark.slow
def test_in_an_empty_folder_run_makes_a_copy_and_works_there(workshop, tmp_path):
    done = workshop("run", "01", "02", "--scale", "tiny")
    assert done.returncode == 0, done.stderr
    assert f"Your copy of the workshop: {tmp_path}" in done.stdout
    assert (tmp_path / "notebooks" / "00_check_your_setup.ipynb").exists()
    assert len(list(tmp_path.glob("executed/*/0[12]_*.ipynb"))) == 2
    within = workshop("check", "--json", folder=tmp_path / "notebooks")
    assert f'"{tmp_path}/workshop"' in within.stdout
    assert not (tmp_path / "notebooks" / ".workshop").exists()


def test_elsewhere_a_command_says_where_it_would_work(workshop, tmp_path):
    for arguments in (["check"], ["stop"]):
        done = workshop(*arguments)
        assert done.returncode == 2
        assert "is not a copy of the workshop: make one with `workshop copy FOLDER`" in done.stderr
    (tmp_path / "mine.txt").touch()
    assert "is not a copy of the workshop" in workshop("lab").stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_copy_of_a_copy_is_one_of_the_wheel(workshop, tmp_path):
    assert workshop("copy", "one").returncode == 0
    done = subprocess.run(
        ["bash", "-c", "source one/activate && workshop copy two"],
        cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": "/"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = ({*path.rglob("*.ipynb")} for path in (tmp_path / "one", tmp_path / "two"))
    assert {path.name for path in one} == {path.name for path in two} != set()
    assert not (tmp_path / "two" / "workshop" / "kit").exists()


def test_a_copy_of_somebody_else_is_not_entered(monkeypatch, tmp_path):
    copies.copy(tmp_path / "copy")
    assert copies.around(tmp_path / "copy" / "notebooks") == tmp_path / "copy"
    assert copies.around(tmp_path) is None
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert copies.around(tmp_path / "copy") is None
