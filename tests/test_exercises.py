"""The exercises are what their solutions say, and the solutions solve them."""

import re
from concurrent.futures import ThreadPoolExecutor

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from workshop import cli, sweep
from workshop.analysis import fetch_runs, rank
from workshop.answers import JUDGES, findings
from workshop.errors import WorkshopError
from workshop.execute import ENCRYPTED
from workshop.exercises import EXERCISES, SOLUTIONS, TAG, exercise, solutions
from workshop.paths import NOTEBOOKS

PROJECT = "sweep-exercises"  # of the notebooks' parameters
METRIC = "Validation Accuracy"
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
    steps = [path.name for path in sorted(NOTEBOOKS.glob("0[1-4]_*.ipynb"))]
    assert [path.name for path in solutions()] == steps
    assert sorted(path.name for path in EXERCISES.glob("*.ipynb")) == steps


def step(path):
    return int(path.name[:2])


def numbers(path):
    return [number for number in JUDGES if number.startswith(f"{step(path)}.")]


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
    parts = [(f"task {number}", "hint", "answer", f"check {number}") for number in numbers(path)]
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
    (following,) = NOTEBOOKS.glob(f"0{step(path) + 1}_*.ipynb")
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
    monkeypatch.setattr("workshop.exercises.EXERCISES", tmp_path / "exercises")
    assert cli.main(["exercises"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(solutions())
    for path in solutions():
        assert (tmp_path / "exercises" / path.name).read_text() == exercise(path)


@pytest.fixture(scope="module")
def solved(server, tmp_path_factory):
    """Execute every solution; return what each printed."""
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKSHOP_AGENTS", "2")  # a thread per trial, for two run at once

    def execute(path):
        notebook = read(path)
        client = nbclient.NotebookClient(
            notebook, resources={"metadata": {"path": str(path.parent)}}, config=ENCRYPTED
        )
        client.execute()
        return "".join(
            output.get("text", "")
            for cell in notebook.cells
            if cell.cell_type == "code"
            for output in cell.outputs
        )

    *others, last = solutions()  # the last one analyzes the runs of the one before
    with ThreadPoolExecutor(len(others)) as pool:
        printed = dict(zip(others, pool.map(execute, others), strict=True))
    printed[last] = execute(last)
    patch.undo()
    return printed


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute, and many more on a machine that others use
@every_solution
def test_solution_is_right(solved, path):
    verdicts = re.findall(r"^Exercise (\S+): (.*)$", solved[path], re.MULTILINE)
    assert verdicts == [(number, "right") for number in numbers(path)], solved[path]
    assert "not yet" not in solved[path]


@pytest.fixture(scope="module")
def paths(solved):
    """The sweeps of the solutions: done, half done after a failure, mended, and an untouched."""
    import wandb

    entity = wandb.Api().default_entity
    found = wandb.Api().project(f"{PROJECT}-broken", entity).sweeps()
    # Not by their times, which W&B gives in whole seconds.
    mended, broken = sorted(found, key=lambda one: "dataset" in one.config["parameters"])
    definition = sweep.load("configs/sweep_config.yaml")
    return {
        "done": sweep.newest(PROJECT),
        "broken": "/".join(broken.path),
        "mended": "/".join(mended.path),
        "untouched": sweep.register(definition, "answers"),
    }


def wrong(number, answer):
    """Return what is said to be not right about an answer, which is something."""
    found = [finding.words for finding in findings(number, answer) if not finding.right]
    assert found
    return " ".join(found)


@pytest.mark.slow
def test_wrong_answers_about_agents(paths):
    assert "no agent has asked" in wrong("3.1", paths["untouched"])
    assert "6 runs were handed out" in wrong("3.1", paths["done"])
    assert "1 failed" in wrong("3.1", paths["broken"])
    assert "8 runs were not handed out yet" in wrong("3.3", paths["untouched"])
    assert "1 failed" in wrong("3.3", paths["broken"])
    broken, mended = paths["broken"], paths["mended"]
    assert "both paths are the broken sweep" in wrong("3.4", (broken, broken))
    assert "combinations of the broken sweep are not tried" in wrong("3.4", (broken, paths["done"]))
    definition = sweep.get(mended).config
    assert "it is not done yet: no run yet" in wrong(
        "3.4", (broken, sweep.register(definition, "answers"))
    )
    quick = sweep.register(definition | {"run_cap": 1}, "answers")
    assert "run_cap was not asked for" in wrong("3.4", (broken, quick))
    definition["parameters"]["dataset"] = {"value": "images:pictures"}
    assert "asks for the same data" in wrong("3.4", (broken, sweep.register(definition, "answers")))


@pytest.mark.slow
def test_wrong_answers_about_analysis(paths):
    runs = fetch_runs(paths["done"])
    ranking = rank(runs, METRIC)
    loss = "Validation Loss"
    assert "their own order" in wrong("4.1", runs)
    assert "highest loss" in wrong("4.1", rank(runs, loss))
    shuffled = rank(runs, loss, "minimize").iloc[[1, 0, *range(2, len(runs))]]
    assert "which metric are they ranked by" in wrong("4.1", shuffled)

    # The first rate wins on average, the second has the single best run, the third is the worst.
    runs[METRIC] = [50.0, 50.0, 10.0, 60.0, 5.0, 15.0]
    runs = runs.sort_values(["learning_rate", "optimizer"], ignore_index=True)
    runs[METRIC] = [5.0, 15.0, 10.0, 60.0, 50.0, 50.0]
    assert all(finding.right for finding in findings("4.2", (runs, 0.1)))
    assert "best single run" in wrong("4.2", (runs, 0.01))
    assert "lowest mean" in wrong("4.2", (runs, 0.001))
    assert "no run has the learning rate 0.5" in wrong("4.2", (runs, 0.5))

    runs[METRIC] = [60.0, 60.0, 30.0, 31.0, 2.0, 1.0]  # falls with the learning rate
    assert all(finding.right for finding in findings("4.3", (runs, ["learning_rate"])))
    assert "as strong as one of 0.9" in wrong("4.3", (runs, []))
    assert "chance reaches easily" in wrong("4.3", (runs, ["learning_rate", "optimizer"]))
    assert "'scale' was not varied" in wrong("4.3", (runs, ["scale"]))

    spoilt = runs.copy()
    spoilt.loc[0, ["state", METRIC]] = ["failed", 99.0]
    spoilt.loc[1, METRIC] = float("nan")
    names = list(spoilt["name"])
    assert "is failed" in wrong("4.4", (spoilt, names[0]))
    assert "not a number" in wrong("4.4", (spoilt, names[1]))
    assert "is better than" in wrong("4.4", (spoilt, names[2]))
    assert "there is no run 'nobody'" in wrong("4.4", (spoilt, "nobody"))

    best = ranking.iloc[0]

    def after(rates, optimizer=None):
        definition = sweep.load("configs/sweep_config.yaml")
        definition["parameters"] = {
            "learning_rate": {"values": rates},
            "optimizer": {"value": optimizer or best["optimizer"]},
        }
        return (ranking, definition)

    rate = best["learning_rate"]
    other = {"adam": "sgd", "sgd": "adam"}[best["optimizer"]]
    assert all(finding.right for finding in findings("4.5", after([rate / 2, rate * 2])))
    assert "on one side" in wrong("4.5", after([rate * 2, rate * 3]))
    assert "ten times away" in wrong("4.5", after([rate / 20, rate * 2]))
    assert "nothing to compare" in wrong("4.5", after([rate]))
    assert "look at one thing at a time" in wrong("4.5", after([rate / 2, rate * 2], other))
    tried = next(value for value in runs["learning_rate"] if value != rate)
    assert "were tried already" in wrong("4.5", after([rate, rate * 2, tried]))
    assert "8 are the most" in wrong("4.5", after([rate * (1 + step / 9) for step in range(9)]))


@pytest.mark.slow
def test_tables_without_a_run_that_counts(paths):
    failed = fetch_runs(paths["broken"])
    for number, answer in (("4.1", failed), ("4.2", (failed, 0.1)), ("4.3", (failed, []))):
        assert "no run of this table has finished" in wrong(number, answer)
