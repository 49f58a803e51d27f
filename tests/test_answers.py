"""What the likely wrong answers are told, and that no answer at all is a traceback."""

import copy
import subprocess
import sys

import pandas as pd
import pytest

from workshop import slurm, sweep
from workshop.answers import JUDGES, check, findings
from workshop.errors import WorkshopError


def example(**sections):
    return sweep.load("configs/sweep_config.yaml") | sections


def drawn(rate, **sections):
    definition = example(method="random", run_cap=10) | sections
    definition["parameters"]["learning_rate"] = rate
    return definition


def repaired(**changes):
    rate = {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.1}
    parameters = {
        "learning_rate": rate,
        "optimizer": {"values": ["adam", "sgd"]},
        "num_epochs": {"value": 3},
    }
    sections = {key: changes.pop(key) for key in ("method", "metric", "run_cap") if key in changes}
    definition = example(method="bayes", run_cap=20, parameters=parameters | changes) | sections
    return {key: value for key, value in definition.items() if value is not None}


def wrong(number, answer):
    found = [finding.words for finding in findings(number, answer) if not finding.right]
    assert found, "it was taken as right"
    return " ".join(found)


LOG = {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.1}
LOSS = {"name": "Validation Loss", "goal": "minimize"}


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("1.1", example(), "is no loss"),
        ("1.1", example(metric=LOSS | {"name": "Train Loss"}), "remembers the images"),
        ("1.1", example(metric=LOSS | {"goal": "maximize"}), "highest loss would be the best"),
        ("1.1", example(metric=LOSS | {"name": "Validation Los"}), "never logs"),
        ("1.1", example(metric=LOSS, method="random"), "method changed as well"),
        ("1.1", "Validation Loss", "this is a str, no definition"),
        ("1.2", 9, "added the lengths"),
        ("1.2", 8, "without the batch sizes"),
        ("1.2", 12, "without the optimizers"),
        ("1.2", 6, "without the learning rates"),
        ("1.2", 32, "three values, not four"),
        ("1.2", 7, "count the values of each list"),
        ("1.2", "24", "no whole number"),
        ("1.2", True, "no whole number"),
        ("1.3", drawn(LOG, method="grid"), "a grid cannot enumerate"),
        ("1.3", example(), "the method is grid"),
        ("1.3", drawn(LOG, run_cap=8), "ends after 8 runs, not after ten"),
        ("1.3", drawn({"min": 0.0001, "max": 0.1}), "nine of ten draws are above 0.01"),
        ("1.3", drawn(LOG | {"distribution": "log_uniform"}), "exponents of e"),
        ("1.3", drawn(LOG | {"max": 0.01}), "go from 0.0001 to 0.01"),
        ("1.3", drawn(LOG | {"values": [0.1, 0.01]}), "still lists values"),
        ("1.3", drawn(LOG) | {"parameters": {"learning_rate": LOG}}, "leave it as it was"),
        ("1.4", repaired(method="bayesian"), "must be one of grid, random, bayes"),
        ("1.4", repaired(method="random"), "method became random"),
        ("1.4", repaired(metric=LOSS), "the file meant the accuracy"),
        (
            "1.4",
            repaired(metric={"name": "Validation Accuracy", "goal": "minimize"}),
            "looks for the worst accuracy",
        ),
        ("1.4", repaired(run_cap=None), "goes on for ever"),
        ("1.4", repaired(run_cap=500), "24 are the most"),
        ("1.4", repaired(learning_rate={"min": 0.0001, "max": 0.1}), "on which scale"),
        ("1.4", repaired(learning_rate={"value": 0.1}), "still lists values"),
        ("1.4", repaired(optimizer={"value": "adam"}), "meant to vary the optimizer"),
        ("1.4", repaired(num_epochs={"value": 5}), "three epochs for every run"),
        ("1.5", ("Is sgd better?", example()), "ask something of your own"),
        ("1.5", example(), "2 parts in parentheses"),
        (
            "1.5",
            ("What is best?", example(parameters={"batch_size": {"values": [16, 64]}})),
            "names a parameter that you vary",
        ),
        (
            "1.5",
            ("batch_size", example(parameters={"batch_size": {"values": [16, 64]}})),
            "a sentence with a question mark",
        ),
        ("4.2", (pd.DataFrame(), True), "True stands where a learning rate was expected"),
        (
            "1.5",
            ("Does batch_size matter?", example(parameters={"batch_size": {"value": 16}})),
            "it varies nothing",
        ),
        (
            "1.5",
            ("Which seed?", example(parameters={"seed": {"values": list(range(25))}})),
            "24 are the most",
        ),
    ],
)
def test_likely_wrong_answer_gets_its_own_sentence(number, answer, words):
    assert words in wrong(number, answer)


def test_what_is_right_about_a_wrong_answer_is_said_too(capsys):
    check("1.3", drawn(LOG, run_cap=8))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Exercise 1.3: not there yet"
    assert "  right: the method draws at random" in lines
    assert sum(line.startswith("  not yet: ") for line in lines) == 1


def test_right_answer_has_nothing_left_to_do(capsys):
    check("1.2", 24)
    assert capsys.readouterr().out.startswith("Exercise 1.2: right\n")


@pytest.mark.parametrize("number", JUDGES)
def test_open_answer_is_called_open(number):
    dots = {"metric": ...}
    for answer in (..., ("question", ...), dots):
        assert "replace the three dots" in wrong(number, answer)


def test_unknown_number_is_a_sentence():
    with pytest.raises(WorkshopError, match=r"no exercise '1\.9' .*there are 1\.1, 1\.2"):
        check("1.9", 3)


STRANGE = [
    None, 3, -1.5, True, "", "no path", "a/b/c", b"", [], [1], {}, {"method": []}, set(), object(),
    (), (1,), (1, 2), ("a", "b"), ("a/b/c", "a/b/c"), ("?", {}), pd.DataFrame(),
    (pd.DataFrame(), 0.1), (pd.DataFrame({"name": ["x"]}), "x"), (pd.DataFrame(), []),
    {"parameters": {"learning_rate": 3}}, print, float("nan"),
]  # fmt: skip


@pytest.mark.parametrize("number", JUDGES)
def test_no_answer_is_a_traceback(server, number):
    for answer in STRANGE:
        assert wrong(number, copy.copy(answer))


def command(action, path):
    words = [sys.executable, "-m", "wandb", "sweep", f"--{action}", path]
    subprocess.run(words, check=True, capture_output=True)


@pytest.mark.slow
def test_wrong_answers_about_registered_sweeps(server):
    example_path = sweep.register(example(), "answers")
    assert "would be of scale smoke" in wrong("2.1", example_path)
    assert "no complete path" in wrong("2.1", example_path.rpartition("/")[2])
    assert "knows no sweep" in wrong("2.1", f"{example_path[:-3]}xxx")
    small = example()
    small["parameters"] = {"scale": {"value": "tiny"}, "learning_rate": {"values": [0.1, 0.01]}}
    small_path = sweep.register(small, "answers")
    assert "it expects 2 runs, not eight" in wrong("2.1", small_path)

    assert "waits for its first agent" in wrong("2.2", small_path)
    stopped = sweep.register(small, "answers")
    command("stop", stopped)
    assert "was stopped" in wrong("2.2", stopped)
    command("cancel", small_path)
    assert "was canceled" in wrong("2.2", small_path)
    command("resume", example_path)
    assert "hands out runs to every agent" in wrong("2.2", example_path)

    assert "both paths are the same" in wrong("2.3", (small_path, small_path))
    assert "does not try 0.03" in wrong("2.3", (small_path, example_path))
    assert "the old sweep is running" in wrong("2.3", (example_path, small_path))
    assert "combinations of the old sweep are missing" in wrong("2.3", (example_path, small_path))
    small["parameters"]["learning_rate"]["values"] = [0.1, 0.03, 0.01, 0.3, 0.2]
    more = sweep.register(small, "answers")
    assert "it tries 3 new combinations" in wrong("2.3", (small_path, more))


def test_wrong_answers_about_arrays(server):
    path = sweep.register(example(), "answers")  # eight runs
    assert "takes 1 of the runs, not two" in wrong("3.2", slurm.plan(path, at_once=2))
    surplus = slurm.plan(path, tasks=8, at_once=2, runs_per_task=2)
    assert "8 tasks are more than the 8 runs that are left need" in wrong("3.2", surplus)
    few = slurm.plan(path, tasks=3, at_once=2, runs_per_task=2)
    assert "3 tasks would leave some of the 8 runs undone" in wrong("3.2", few)
    crowd = slurm.plan(path, at_once=4, runs_per_task=2)
    assert "4 tasks would run at once" in wrong("3.2", crowd)
    assert "this is a str, no plan" in wrong("3.2", path)
