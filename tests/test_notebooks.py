"""The notebooks run, are complete, and show nothing that a reader should not see."""

import os
import re
import subprocess
import sys
from itertools import pairwise

import nbformat
import papermill
import pytest

from workshop import backend, local_server, sweep
from workshop.batch.summary import summary
from workshop.execute import numbered_notebooks
from workshop.export import PLOTLY_JSON
from workshop.paths import NOTEBOOKS
from workshop.plots import in_words

NOTEBOOK_FILES = numbered_notebooks()
every_notebook = pytest.mark.parametrize("path", NOTEBOOK_FILES, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def outputs(path):
    return [
        output for cell in read(path).cells if cell.cell_type == "code" for output in cell.outputs
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)  # four minutes, and many more on a machine that others use
def test_notebooks_run_and_checked_outputs_are_the_stored_ones(tmp_path, monkeypatch):
    """Run nbval over the notebooks in order, on a server of their own, then the summary."""
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    for variable in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(variable)
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider"]
    command += ["--timeout=0", "--durations=5", "--rootdir", str(NOTEBOOKS)]
    try:
        done = subprocess.run(
            [*command, *NOTEBOOK_FILES],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        print(done.stdout)
        assert done.returncode == 0, done.stdout
        with backend.session("local"):
            path = sweep.newest(backend.PROJECT)
            told = summary(path)
    finally:
        local_server.stop()
    assert f"Sweep: {path}, 8 runs" in told
    assert "Data: digits" in told
    rows = re.findall(
        r"^ *[a-z]+-sweep-\d+ +(?:adam|sgd) +(\S+) +(\S+) +(\S+)$", told, re.MULTILINE
    )
    assert len(rows) == 8
    assert [requested for requested, _, _ in rows] == [effective for _, effective, _ in rows]
    assert {float(requested) for requested, _, _ in rows} == {0.1, 0.01, 0.001, 0.0001}
    assert max(float(accuracy) for _, _, accuracy in rows) > 80


@every_notebook
def test_notebook_has_a_parameters_cell_that_papermill_reads(path):
    assert papermill.inspect_notebook(path)


@every_notebook
def test_notebook_opens_and_closes_as_a_lesson(path):
    first, last = read(path).cells[0].source, read(path).cells[-1].source
    assert first.startswith("# ")
    for words in ("**What you will do.**", "**What you will learn.**", "**What you need.**"):
        assert words in first
    assert re.search(r"\*About \d+ minutes to read[,;] .*\.\*", first)
    assert last.startswith("## Recap")
    assert "**Next:**" in last or path == NOTEBOOK_FILES[-1]
    if (NOTEBOOKS / "exercises" / path.name).exists():
        assert f"(exercises/{path.name})" in last.partition("**Next:**")[2]


@every_notebook
def test_prose_goes_before_code(path):
    kinds = [cell.cell_type for cell in read(path).cells]
    followers = sum(before == after == "code" for before, after in pairwise(kinds))
    assert followers <= 4


@every_notebook
def test_code_cells_are_short(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 10, cell.source


@every_notebook
def test_every_cell_was_executed_in_order(path):
    counts = [cell.execution_count for cell in read(path).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@every_notebook
def test_outputs_hold_no_error_path_or_key(path):
    text = path.read_text()
    assert not [output for output in outputs(path) if output.output_type == "error"]
    assert "Traceback (most recent call last)" not in text
    assert not re.search(r"(?<![\w.~])/(?:root|home|Users|tmp|work)/", text)
    assert not re.search(r"local-[0-9a-f]{40}|\b[0-9a-f]{40}\b", text)


@every_notebook
def test_every_picture_has_an_alternative_text(path):
    read_aloud = {output.get("data", {}).get("text/html") for output in outputs(path)}
    for output in outputs(path):
        data = output.get("data", {})
        if PLOTLY_JSON in data:
            assert len(data[PLOTLY_JSON]["layout"]["meta"]["alt"]) > 20
            assert len(output.metadata["image/png"]["alt"]) > 20
            assert in_words(output.metadata["image/png"]["alt"]) in read_aloud
        elif "image/png" in data:
            assert output.metadata["image/png"]["alt"]


def test_some_outputs_are_compared():
    marked = [
        cell
        for path in NOTEBOOK_FILES
        for cell in read(path).cells
        if "nbval-check-output" in cell.metadata.get("tags", [])
    ]
    assert len(marked) >= 15
    assert all(cell.outputs for cell in marked)
