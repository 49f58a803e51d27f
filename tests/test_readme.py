"""Every command and file that the documents name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from workshop.paths import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A name with a folder or an ending that files of this kit have.
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|yaml|md|ipynb|slrm|toml|lock|graphql)|[\w.-]+/)`")
MADE_BY_USE = {"executed/", ".venv/", ".workshop/", "files/", "artifacts/", "keys/", "server.lock"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_exist(document):
    text = document.read_text()
    missing = [
        name
        for name in FILE.findall(text)
        if name not in MADE_BY_USE and not list(ROOT.glob(name)) and not in_package(name)
    ]
    assert missing == []


def in_package(name: str) -> bool:
    """Tell whether a document means a file of the package by its last part."""
    return bool(list(ROOT.glob(f"workshop/**/{name}")) or list(ROOT.glob(f"docs/{name}")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document):
    assert set(re.findall(r"\bmake ([a-z]+)", document.read_text())) <= targets()


def test_readme_lists_every_make_target():
    listed = set(re.findall(r"^\| `make ([a-z]+)`", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert listed == targets() - {"help"}


def test_workshop_commands_exist():
    used = {
        command
        for document in DOCUMENTS
        for command in re.findall(r"(?:bin/|`)workshop ([a-z]+)", document.read_text())
    }
    assert used
    for command in used:
        subprocess.run([Path(sys.executable).parent / "workshop", command, "--help"], check=True)


def test_readme_names_every_notebook_and_every_configuration():
    readme = (ROOT / "README.md").read_text()
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("configs/*.yaml")]:
        assert str(path.relative_to(ROOT)) in readme
