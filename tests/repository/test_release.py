"""A release has one version: in the code, in the changelog, in the citation, and as git's tag."""

import json
import re
import subprocess
from datetime import date

import pytest
import yaml
from packaging.version import Version

from workshop import __version__
from workshop.paths import ROOT

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
UNRELEASED = "Unreleased"


def sections():
    """Return the changelog's headings of level 2: each version with its date, newest first."""
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    return [tuple(title.split(" - ")) for title in titles]


def problems(version, cited, titles, tags):
    """Yield what is wrong with a release, or with a state between two."""
    released = [title for title in titles if title != (UNRELEASED,)]
    if cited.get("version") != version:
        yield f"CITATION.cff has version {cited.get('version')}, the code {version}"
    if (UNRELEASED,) in titles[1:]:
        yield f"{UNRELEASED} must be the changelog's first section"
    versions = [Version(title[0]) for title in released]
    if versions != sorted(versions, reverse=True) or len({*versions}) < len(versions):
        yield "the changelog's versions must come newest first"
    for title in released:
        if len(title) != 2 or str(date.fromisoformat(title[1])) != title[1]:
            yield f"{title} must be `X.Y.Z - YYYY-MM-DD`"
    if released and Version(version) < versions[0]:
        yield f"the changelog has {released[0][0]}, the code still {version}"
    dated = (version, str(cited.get("date-released")))
    if released and released[0][0] == version and released[0] != dated:
        yield f"CITATION.cff must have date-released as the changelog has it: {released[0]}"
    for tag in tags:
        if tag != f"v{version}":
            yield f"tag {tag} is not v{version}"
        if not titles or titles[0][0] != version:
            yield f"tag {tag}, but the changelog's first section is not {version}"


def test_version_is_the_same_everywhere():
    listed = ["git", "tag", "--points-at", "HEAD", "v*"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
    tags = done.stdout.split()  # none outside of a clone
    assert list(problems(__version__, CITATION, sections(), tags)) == []


NEW = ("0.2.0", "2026-12-01")
OLD = ("0.1.0", "2026-11-01")
DATED = {"version": "0.2.0", "date-released": date(2026, 12, 1)}


@pytest.mark.parametrize(
    ("version", "cited", "titles", "tags", "problem"),
    [
        ("0.2.0", {"version": "0.2.0"}, [(UNRELEASED,), OLD], [], None),
        ("0.2.0", DATED, [NEW, OLD], ["v0.2.0"], None),
        ("0.2.0", {"version": "0.1.0"}, [(UNRELEASED,)], [], "the code 0.2.0"),
        ("0.1.0", {"version": "0.1.0"}, [NEW, OLD], [], "still 0.1.0"),
        ("0.2.0", DATED, [OLD, NEW], [], "newest first"),
        ("0.2.0", DATED, [NEW, (UNRELEASED,)], [], "first section"),
        ("0.2.0", {"version": "0.2.0"}, [NEW], [], "must have date-released"),
        ("0.2.0", {"version": "0.2.0"}, [(UNRELEASED,), OLD], ["v0.2.0"], "first section is not"),
        ("0.2.0", DATED, [NEW], ["v0.3.0"], "tag v0.3.0"),
        ("0.2.0", {"version": "0.2.0"}, [("0.2.0",)], [], "YYYY-MM-DD"),
    ],
)
def test_problems_are_found(version, cited, titles, tags, problem):
    found = list(problems(version, cited, titles, tags))
    assert found == [] if problem is None else any(problem in text for text in found)


def test_zenodo_says_the_same_as_the_citation():
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    assert zenodo["title"] == CITATION["title"]
    assert zenodo["description"] == CITATION["abstract"]
    assert (zenodo["license"], zenodo["keywords"]) == (CITATION["license"], CITATION["keywords"])
    assert [who["name"] for who in zenodo["creators"]] == [w["name"] for w in CITATION["authors"]]


def test_checklist_names_every_place():
    text = (ROOT / "docs" / "releasing.md").read_text()
    for place in ("workshop/__init__.py", "CITATION.cff", "CHANGELOG.md", "vX.Y.Z"):
        assert place in text
