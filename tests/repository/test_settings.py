"""The kit's environment variables: read in one place, documented, with one default each."""

import re
import subprocess

import pytest

from workshop.errors import WorkshopError
from workshop.paths import ROOT, SLURM, home
from workshop.settings import PREFIX, Settings, settings

FIELDS = Settings.model_fields
VARIABLE = re.compile(rf"\b{PREFIX}[A-Z][A-Z_]*[A-Z]\b")
MARKS = {"WORKSHOP_DAEMON"}
"""What the rehearsal cluster knows its daemons again by; nobody sets it."""


def test_the_document_lists_all():
    rows = re.findall(
        rf"^\| `{PREFIX}(\w+)` \| (.*?) \| (.*) \|$",
        (ROOT / "docs" / "settings.md").read_text(),
        re.MULTILINE,
    )
    assert rows == [
        (name.upper(), f"`{field.default}`" if field.default else "", field.description)
        for name, field in FIELDS.items()
    ]


def test_no_other_is_read_or_promised():
    known = {f"{PREFIX}{name.upper()}" for name in FIELDS} | MARKS
    files = subprocess.run(
        ["git", "ls-files", "workshop", "sweepserver", "deploy", "slurm", "configs", "docs"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    for file in files:
        found = set(VARIABLE.findall((ROOT / file).read_text(errors="replace")))
        assert {name for name in found - known if not name.startswith(f"{PREFIX}TEST_")} == set(), (
            file
        )


def test_the_job_script_has_the_same_defaults():
    script = (SLURM / "sweep_submission.slrm").read_text()
    defaults = re.findall(rf"\{{{PREFIX}([A-Z_]+):-(\d+)\}}", script)
    assert {name for name, _ in defaults} == {"START_JITTER", "RUNS_PER_TASK", "IDLE_SECONDS"}
    for name, default in defaults:
        assert float(default) == FIELDS[name.lower()].default


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "is 'http', but it must be a valid integer"),
        ("AGENTS", "0", "is '0', but it must be greater than 0"),
        ("RUNS_PER_TASK", "some", "is 'some', but it must be"),
        ("MAX_FAILURES", "-1", "is '-1', but it must be greater than or equal to 0"),
    ],
)
def test_a_value_that_cannot_be_is_a_sentence(monkeypatch, name, value, expected):
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(
        WorkshopError, match=rf"^the environment variable {PREFIX}{name} {expected}"
    ):
        settings()


def test_they_are_read_when_they_are_needed(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.setenv("WORKSHOP_HOME", "")
    assert home() == ROOT / ".workshop"
    monkeypatch.setenv("WORKSHOP_RUNS_PER_TASK", "all")
    assert settings().runs_per_task == "all"


def test_they_are_read_again_only_after_a_change(monkeypatch):
    monkeypatch.setenv("WORKSHOP_PORT", "8601")
    first = settings()
    assert settings() is first
    for name, value, port in (
        ("WORKSHOP_PORT", "8602", 8602),
        ("WORKSHOP_PORT", "", FIELDS["port"].default),
        ("workshop_port", "8603", 8603),
    ):
        monkeypatch.setenv(name, value)
        assert settings().port == port
    monkeypatch.setenv("WORKSHOP_PORT", "http")
    monkeypatch.delenv("workshop_port")
    for _ in range(2):
        with pytest.raises(WorkshopError, match="WORKSHOP_PORT"):
            settings()
    monkeypatch.setenv("WORKSHOP_PORT", "8601")
    assert settings() == first


def test_a_change_while_they_are_read_is_seen_by_the_next_call(monkeypatch):
    monkeypatch.setenv("WORKSHOP_PORT", "8604")
    read = Settings.__init__

    def late(self) -> None:
        monkeypatch.setenv("WORKSHOP_PORT", "8605")  # as by another thread
        read(self)
        monkeypatch.setattr(Settings, "__init__", read)

    monkeypatch.setattr(Settings, "__init__", late)
    assert settings().port == 8605
    monkeypatch.setenv("WORKSHOP_PORT", "8604")
    assert settings().port == 8604
