"""The solutions solve the exercises, and wrong answers are told what is wrong."""

import re
from concurrent.futures import ThreadPoolExecutor

import nbclient
import nbformat
import pytest

from tests.notebooks import exercise_numbers
from workshop.analyze.ranking import rank
from workshop.batch.execution import KERNELS
from workshop.define.definition import load
from workshop.exercises import remarks
from workshop.exercises.generate import solutions
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.run_agents import rehearsal, slurm

PROJECT = "sweep-exercises"  # of the notebooks' parameters
METRIC = "Validation Accuracy"
NEEDS_RUNS = {"04_analyze_runs"}
"""It analyzes those of 03_run_agents."""
ON_CLUSTER = {"3.6", "3.7"}
every_solution = pytest.mark.parametrize("path", solutions(), ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def solved(server, tmp_path_factory):
    """Execute every solution; return what each printed."""
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKSHOP_AGENTS", "2")  # a thread per trial, for two run at once

    def execute(path):
        notebook = nbformat.read(path, as_version=4)
        client = nbclient.NotebookClient(
            notebook, resources={"metadata": {"path": str(path.parent)}}, config=KERNELS,
            allow_errors=not has_cluster(),
        )  # fmt: skip
        client.execute()
        return "".join(
            output.get("text", "")
            for cell in notebook.cells
            if cell.cell_type == "code"
            for output in cell.outputs
        )

    later = [path for path in solutions() if path.stem in NEEDS_RUNS]
    sooner = [path for path in solutions() if path not in later]
    printed = {}
    with rehearsal.session(), ThreadPoolExecutor(len(sooner)) as pool:
        for paths in (sooner, later):
            printed |= dict(zip(paths, pool.map(execute, paths), strict=True))
    patch.undo()
    return printed


def has_cluster() -> bool:
    return bool(slurm.available("rehearsal").site)


@every_solution
def test_solution_is_right(solved, path):
    verdicts = re.findall(r"^Exercise (\S+): (.*)$", solved[path], re.MULTILINE)
    left_out = set() if has_cluster() else ON_CLUSTER
    verdicts = [verdict for verdict in verdicts if verdict[0] not in left_out]
    numbers = [number for number in exercise_numbers(path) if number not in left_out]
    assert verdicts == [(number, "right") for number in numbers], solved[path]
    assert left_out or "not yet" not in solved[path]


@pytest.fixture(scope="module")
def paths(solved):
    """The sweeps of the solutions: done, half done after a failure, mended, and an untouched."""
    import wandb

    entity = wandb.Api().default_entity
    found = wandb.Api().project(f"{PROJECT}-broken", entity).sweeps()
    # Not by their times, which W&B gives in whole seconds.
    mended, broken = sorted(found, key=lambda one: "dataset" in one.config["parameters"])
    definition = load("configs/sweep_config.yaml")
    return {
        "done": registration.newest(PROJECT),
        "broken": "/".join(broken.path),
        "mended": "/".join(mended.path),
        "untouched": registration.register(definition, "exercises-answers"),
    }


def wrong(number, answer):
    """Return what is said to be not right about an answer, which is something."""
    found = [remark.words for remark in remarks(number, answer) if not remark.right]
    assert found
    return " ".join(found)


def test_wrong_answers_about_agents(paths):
    assert "no agent has asked" in wrong("3.1", paths["untouched"])
    assert "6 runs were handed out" in wrong("3.1", paths["done"])
    assert "1 failed" in wrong("3.1", paths["broken"])
    assert "8 runs were not handed out yet" in wrong("3.3", paths["untouched"])
    assert "1 failed" in wrong("3.3", paths["broken"])
    broken, mended = paths["broken"], paths["mended"]
    assert "both paths are the broken sweep" in wrong("3.4", (broken, broken))
    said = wrong("3.4", (broken, paths["done"]))
    assert "combinations are missing of those in the broken" in said
    assert f"register it in {PROJECT}-broken, as the broken one" in said
    definition = registration.get(mended).config
    assert "it isn't done yet: no runs yet" in wrong(
        "3.4", (broken, registration.register(definition, "exercises-answers"))
    )
    quick = registration.register(definition | {"run_cap": 1}, "exercises-answers")
    assert "run_cap was not asked for" in wrong("3.4", (broken, quick))
    definition["parameters"]["dataset"] = {"value": "images:pictures"}
    assert "uses the same data" in wrong(
        "3.4", (broken, registration.register(definition, "exercises-answers"))
    )


@pytest.mark.slurm
def test_wrong_answers_about_tasks(paths, slurm_installed):
    assert "no array was submitted for this sweep" in wrong("3.6", paths["done"])
    failed = registration.newest(f"{PROJECT}-failed")
    ledger = slurm.ledger(failed)
    (timed_out,) = ledger.loc[ledger["slurm"] == "TIMEOUT", "task"]
    assert all(remark.right for remark in remarks("3.7", (failed, timed_out)))
    completed = ledger.loc[ledger["slurm"] == "COMPLETED", "task"].iloc[0]
    assert "this task's state is COMPLETED" in wrong("3.7", (failed, completed))
    assert "the ledger has no task '1': it has " in wrong("3.7", (failed, "1"))
    assert "it has no task" in wrong("3.7", (paths["done"], timed_out))


def test_wrong_answers_about_analysis(paths):
    runs = fetch_runs(paths["done"])
    ranking = rank(runs, METRIC)
    loss = "Validation Loss"
    assert "unsorted" in wrong("4.1", (runs, runs))
    assert "highest loss" in wrong("4.1", (runs, rank(runs, loss)))
    whole = rank(runs, loss, "minimize")
    assert all(remark.right for remark in remarks("4.1", (runs, whole)))
    assert "2 finished runs are missing" in wrong("4.1", (runs, whole.iloc[:-2]))
    shuffled = whole.iloc[[1, 0, *range(2, len(runs))]]
    assert "which metric did you rank them by" in wrong("4.1", (runs, shuffled))

    # The first rate wins on average, the second has the single best run, the third is the worst.
    runs[METRIC] = [50.0, 50.0, 10.0, 60.0, 5.0, 15.0]
    runs = runs.sort_values(["learning_rate", "optimizer"], ignore_index=True)
    runs[METRIC] = [5.0, 15.0, 10.0, 60.0, 50.0, 50.0]
    assert all(remark.right for remark in remarks("4.2", (runs, 0.1)))
    assert "best single run" in wrong("4.2", (runs, 0.01))
    assert "lowest mean" in wrong("4.2", (runs, 0.001))
    assert "no run has the learning rate 0.5" in wrong("4.2", (runs, 0.5))

    runs[METRIC] = [60.0, 60.0, 30.0, 31.0, 2.0, 1.0]  # falls with the learning rate
    assert all(remark.right for remark in remarks("4.3", (runs, ["learning_rate"])))
    assert "as strong as one of 0.9" in wrong("4.3", (runs, []))
    assert "chance easily reaches" in wrong("4.3", (runs, ["learning_rate", "optimizer"]))
    assert "the sweep didn't vary 'scale'" in wrong("4.3", (runs, ["scale"]))

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
        definition = load("configs/sweep_config.yaml")
        definition["parameters"] = {
            "learning_rate": {"values": rates},
            "optimizer": {"value": optimizer or best["optimizer"]},
        }
        return (ranking, definition)

    rate = best["learning_rate"]
    other = {"adam": "sgd", "sgd": "adam"}[best["optimizer"]]
    assert all(remark.right for remark in remarks("4.5", after([rate / 2, rate * 2])))
    assert "on one side" in wrong("4.5", after([rate * 2, rate * 3]))
    assert "factor of ten" in wrong("4.5", after([rate / 20, rate * 2]))
    assert "nothing to compare" in wrong("4.5", after([rate]))
    assert "change one thing at a time" in wrong("4.5", after([rate / 2, rate * 2], other))
    tried = next(value for value in runs["learning_rate"] if value != rate)
    assert "you've tried most" in wrong("4.5", after([rate, rate * 2, tried]))
    assert "only time for 8" in wrong("4.5", after([rate * (1 + step / 9) for step in range(9)]))


def test_tables_without_a_run_that_counts(paths):
    failed = fetch_runs(paths["broken"])
    for number, answer in (("4.1", failed), ("4.2", 0.1), ("4.3", [])):
        assert "no run in this table finished" in wrong(number, (failed, answer))
