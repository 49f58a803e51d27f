"""The exercises are what their solutions say."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.notebooks import exercise_numbers
from workshop import cli
from workshop.errors import WorkshopError
from workshop.exercises.generate import EXERCISES, SOLUTIONS, TAG, exercise, solutions
from workshop.paths import NOTEBOOKS

every_solution = pytest.mark.parametrize("path", solutions(), ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def is_solution(cell):
    return TAG in cell.metadata.get("tags", [])


@every_solution
def test_exercise_is_the_one_that_the_solution_makes(path):
    written = EXERCISES / path.name
    assert written.read_text() == exercise(path), "write them anew: workshop exercises"


def test_every_step_has_an_exercise_file_and_no_file_is_left_over():
    steps = [path.name for path in sorted(NOTEBOOKS.glob("0[123478]_*.ipynb"))]
    assert [path.name for path in solutions()] == steps
    assert sorted(path.name for path in EXERCISES.glob("*.ipynb")) == steps


def step(path):
    return int(path.name[:2])


def is_hint(cell):
    return "<details><summary>Hint</summary>" in cell.source


def roles(cells):
    """Yield what each cell is for, of those that make up the tasks."""
    for cell in cells:
        if cell.cell_type == "markdown":
            yield from (f"task {number}" for number in re.findall(r"^## (\d\.\d) ", cell.source))
            yield from ["hint"] * is_hint(cell)
        elif is_solution(cell):
            yield "answer"
        else:
            checks = re.findall(r'^check\("(.*?)"', cell.source, re.MULTILINE)
            yield from (f"check {number}" for number in checks)


@every_solution
def test_every_task_has_a_hint_and_an_answer_before_its_check(path):
    parts = [
        (f"task {number}", "hint", "answer", f"check {number}") for number in exercise_numbers(path)
    ]
    assert len(parts) >= 3
    assert list(roles(read(path).cells)) == [role for part in parts for role in part]


@every_solution
def test_some_task_asks_for_a_design_or_a_repair(path):
    text = "\n".join(cell.source for cell in read(path).cells)
    assert re.search(r"^## \d\.\d (Design|Repair|A question of your own)", text, re.MULTILINE)


@every_solution
def test_hints_need_nothing_of_later_notebooks(path):
    for cell in filter(is_hint, read(path).cells):
        cited = re.findall(r"[Nn]otebook \[?0(\d)", cell.source)
        assert all(int(number) <= step(path) for number in cited), cell.source


@every_solution
def test_exercise_gives_no_solution_away(path):
    hidden = [cell for cell in read(path).cells if is_solution(cell)]
    shown = read(EXERCISES / path.name).cells
    text = "\n".join(cell.source for cell in shown)
    for cell in shown:
        assert not is_solution(cell)
        assert "starter" not in cell.metadata
        if cell.cell_type == "code":
            compile(re.sub(r"^.*!.*$", "", cell.source, flags=re.MULTILINE), path.name, "exec")
            assert not cell.outputs
    for cell in hidden:
        assert "..." in cell.metadata["starter"], "it must show where the answer goes"
        for line in map(str.strip, cell.source.splitlines()):
            # Where to begin may be given, as may what only opens brackets.
            if len(line) >= 15 and not re.fullmatch(r"\w+ = load\([^()]+\)|.*[{(\[]", line):
                assert line not in text


@pytest.mark.parametrize("folder", [SOLUTIONS, EXERCISES], ids=lambda folder: folder.name)
@every_solution
def test_notebook_is_a_short_lesson_whose_links_lead_somewhere(path, folder):
    cells = read(folder / path.name).cells
    assert cells[0].source.startswith("# Exercises: ")
    assert re.search(r"\*About \d+ minutes to solve[,;] .*\.\*", cells[0].source)
    assert cells[-1].source.startswith("## Recap")
    for following in NOTEBOOKS.glob(f"0{step(path) + 1}_*.ipynb"):
        assert f"(../{following.name})" in cells[-1].source
    for cell in cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 10, cell.source
        for target in re.findall(r"\]\(([^)h#][^)]*)\)", cell.source):
            assert (folder / target).exists(), target


def test_solution_without_starter_is_refused(tmp_path):
    cell = new_code_cell("answer = 42", metadata={"tags": [TAG]})
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "01.ipynb")
    with pytest.raises(WorkshopError, match=r"'answer = 42' has no starter"):
        exercise(tmp_path / "01.ipynb")


def test_exercise_holds_nothing_of_an_execution(tmp_path):
    output = new_output("stream", text="42")
    cell = new_code_cell("print(answer)", execution_count=7, outputs=[output])
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "01.ipynb")
    (written,) = nbformat.reads(exercise(tmp_path / "01.ipynb"), as_version=4).cells
    assert (written.execution_count, written.outputs) == (None, [])


def test_command_writes_the_exercises(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("workshop.exercises.generate.EXERCISES", tmp_path / "exercises")
    assert cli.main(["exercises"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(solutions())
    for path in solutions():
        assert (tmp_path / "exercises" / path.name).read_text() == exercise(path)
