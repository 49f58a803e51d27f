"""The notebooks are complete, and show nothing that a reader should not see."""

import inspect
import re
from itertools import pairwise

import nbformat
import papermill
import plotly.graph_objects as go
import pytest

import workshop
from workshop import notebook_display
from workshop.analyze import plots
from workshop.analyze.plots.export import PLOTLY_JSON
from workshop.analyze.plots.presentation import in_words
from workshop.batch.execution import numbered_notebooks
from workshop.paths import NOTEBOOKS

NOTEBOOK_FILES = numbered_notebooks()
WIDEST = 88
"""Characters of a line that JupyterLab, in 1,280 pixels, doesn't break in mid-word."""
every_notebook = pytest.mark.parametrize("path", NOTEBOOK_FILES, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def outputs(path):
    return [
        output for cell in read(path).cells if cell.cell_type == "code" for output in cell.outputs
    ]


@every_notebook
def test_notebook_has_a_parameters_cell_that_papermill_reads(path):
    assert papermill.inspect_notebook(path)


@every_notebook
def test_notebook_opens_and_closes_as_a_lesson(path):
    first, last = read(path).cells[0].source, read(path).cells[-1].source
    assert first.startswith("# ")
    for words in ("**What you'll do.**", "**What you'll learn.**", "**What you need.**"):
        assert words in first
    assert re.search(r"\*About \d+ minutes to read[,;] .*\.\*", first)
    assert last.startswith("## Recap")
    assert "**Next:**" in last or path.name >= "06"  # a reader may end with either of them
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
def test_results_are_shown_as_plain_values(path):
    for output in outputs(path):
        result = output.get("data", {}).get("text/plain", "")
        assert not re.search(r"\bnp\.\w+", result), f"{result}: convert it, as by bool() or float()"


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


def shown_files(path):
    """Yield what each cell that shows files holds, and what it would show now."""
    names = {name: getattr(notebook_display, name) for name in ("source", "difference")}
    for cell in read(path).cells:
        *lines, last = cell.source.splitlines()
        if cell.cell_type == "code" and re.match(r"(source|difference)\(", last):
            exec("\n".join(lines), names)
            yield cell.outputs[0].data["text/markdown"], eval(last, names).data


@every_notebook
def test_files_are_shown_as_they_are(path):
    for stored, now in shown_files(path):
        assert stored == now, f"run `workshop notebooks {path.name[:2]}` to show the file as it is"


@every_notebook
def test_shown_files_are_no_wider_than_a_page(path):
    for _, now in shown_files(path):
        in_full, _, _ = now.partition("<details>")
        assert [line for line in in_full.splitlines() if len(line) > WIDEST] == []


def test_some_notebooks_show_files():
    assert sum(len(list(shown_files(path))) for path in NOTEBOOK_FILES) >= 13


TEXTS = {
    path.name[:2]: "\n".join(cell.source for cell in read(path).cells) for path in NOTEBOOK_FILES
}


def test_every_figure_is_in_a_notebook():
    figures = {
        name
        for name in plots.__all__
        if inspect.signature(getattr(plots, name)).return_annotation is go.Figure
    }
    shown = set(re.findall(r"plots\.(\w+)\(", "\n".join(TEXTS.values())))
    assert figures - shown == set(), "show it, or add it to the table in notebook 04"


def imported(text):
    """Return the packages that a notebook's cells import from `workshop`."""
    found = re.findall(r"^ *from workshop(?:\.(\w+)[\w.]*)? import (\w+)", text, re.MULTILINE)
    return {package or name for package, name in found}


def test_the_package_says_where_each_notebook_s_code_is():
    rows = re.findall(r"^\| (every|\d\d) [^|]*\| (.*) \|$", workshop.__doc__, re.MULTILINE)
    said = {number: set(re.findall(r"`(\w+)[\w.]*`", words)) for number, words in rows}
    known = said.pop("every")
    assert said.keys() == TEXTS.keys()
    for number, text in TEXTS.items():
        known |= said[number]
        assert imported(text) <= known, f"workshop/__init__.py doesn't say so of notebook {number}"
        assert "sweepserver" not in re.sub("`.*?`", "", text), "notebooks need only the kit"
    assert len(set().union(*map(imported, TEXTS.values()))) <= 11, "too many to find one's way"


def test_some_outputs_are_compared():
    marked = [
        cell
        for path in NOTEBOOK_FILES
        for cell in read(path).cells
        if "nbval-check-output" in cell.metadata.get("tags", [])
    ]
    assert len(marked) >= 15
    assert all(cell.outputs for cell in marked)
