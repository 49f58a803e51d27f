"""The recipes of the container images, as far as that can be tried without a container engine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from maintenance.apptainer_definition import (
    CONTAINERFILE,
    DEFINITION,
    copied,
    definition,
    instructions,
)
from tests.waiting import patience
from workshop import __version__
from workshop.classroom import copies
from workshop.paths import ROOT

KIT = "/opt/sweep-workshop"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The kit's folder in the image, with this environment's packages."""
    folder = tmp_path_factory.mktemp("image")
    for instruction, words in instructions(CONTAINERFILE.read_text()):
        for source, target in copied(words) if instruction == "COPY" else ():
            place = Path(f"{folder}{target}")
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, place)
    kit = Path(f"{folder}{KIT}")
    (kit / ".venv").symlink_to(ROOT / ".venv")
    return kit


def times(folder):
    """Return when the files in a folder were written, but for compiled modules."""
    paths = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {path: path.stat().st_mtime_ns for path in paths if path.is_file()}


def test_apptainers_definition_is_the_one_that_the_containerfile_makes():
    assert DEFINITION.read_text() == definition(CONTAINERFILE.read_text()), (
        "write it anew: python -m maintenance.apptainer_definition"
    )


def test_an_instruction_without_a_translation_is_not_lost():
    with pytest.raises(ValueError, match="the Containerfile's HEALTHCHECK has no translation"):
        definition("FROM debian\nHEALTHCHECK CMD true\n")


def test_the_image_has_every_file_of_a_copy(image):
    assert {*copies.files_of(image)} == {*copies.files_of(ROOT)}


def test_the_image_has_what_make_installs_from(image):
    steps = [words for instruction, words in instructions(CONTAINERFILE.read_text())]
    (step,) = [words for words in steps if words.startswith("make ")]
    # Make only says what it would do.
    command = step.partition(" && ")[0].replace(KIT, str(image)).split()
    (image / ".venv").rename(image / "packages")
    try:
        done = subprocess.run(
            [*command, "--dry-run", "PYTHON=python3"], capture_output=True, text=True, check=False
        )
    finally:
        (image / "packages").rename(image / ".venv")
    assert done.returncode == 0, done.stderr
    assert "--require-hashes" in done.stdout


def test_what_an_image_starts_works_in_a_copy_and_leaves_the_image_alone(image, tmp_path):
    before = times(image)
    environment = {"HOME": str(tmp_path), "PATH": os.defpath}
    # In the image, `.venv` has the image's kit; here it has this one.
    environment["PYTHONPATH"] = str(image)
    done = subprocess.run(
        [image / "deploy/container/start", "--version"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=patience(120), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"workshop {__version__}\n")
    assert done.stderr.startswith("Your copy is ~/sweep-workshop-container.")
    copy = tmp_path / "sweep-workshop-container"
    assert (copy / ".kit").resolve() == image
    assert {*copies.files_of(copy)} == {*copies.files_of(image)}
    assert times(image) == before
