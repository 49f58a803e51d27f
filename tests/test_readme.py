"""Every command and file that the documents name exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import documents, markdown
from workshop.paths import ROOT

every_document = pytest.mark.parametrize(
    "document", documents(), ids=lambda path: str(path.relative_to(ROOT))
)
# A name with a folder or an ending that files of this kit have.
FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|yaml|md|ipynb|slrm|toml|lock|graphql)|[\w.-]+/)`")
MADE_BY_USE = {
    "executed/", ".venv/", ".workshop/", "files/", "artifacts/", "keys/", "server.lock",
    "newest/report.md",
}  # fmt: skip
ATTRIBUTES = {"form.yaml"}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@every_document
def test_files_exist(document):
    text = markdown(document)
    named = {*FILE.findall(text)} - MADE_BY_USE - ATTRIBUTES
    missing = [name for name in named if not list(ROOT.glob(name)) and not is_last_part(name)]
    assert missing == []


def is_last_part(name: str) -> bool:
    """Tell whether a document means a file by its last part."""
    return any(list(ROOT.glob(f"{folder}/**/{name}")) for folder in ("workshop", "docs", "configs"))


@every_document
def test_make_targets_exist(document):
    found = re.findall(r"(?:`|^    |and )make ([a-z]+)", markdown(document), re.MULTILINE)
    assert set(found) <= targets()


def test_readme_lists_every_make_target():
    listed = set(re.findall(r"^\| `make ([a-z]+)`", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert listed == targets() - {"help"}


def test_workshop_commands_exist():
    used = {
        command
        for document in documents()
        for command in re.findall(r"(?:bin/|`)workshop ([a-z]+)", markdown(document))
    }
    assert used
    for command in used:
        subprocess.run([Path(sys.executable).parent / "workshop", command, "--help"], check=True)


def test_readme_names_every_notebook_and_every_configuration():
    readme = (ROOT / "README.md").read_text()
    for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("configs/*.yaml")]:
        assert str(path.relative_to(ROOT)) in readme
