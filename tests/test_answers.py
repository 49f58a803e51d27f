"""What the likely wrong answers are told, and that no answer at all is a traceback."""

import copy
import os
import subprocess
import sys

import pandas as pd
import pytest

from workshop.define import definition
from workshop.errors import WorkshopError
from workshop.exercises import JUDGES, check, findings
from workshop.initialize import registration
from workshop.run_agents import slurm


def example(**sections):
    return definition.load("configs/sweep_config.yaml") | sections


def drawn(rate, more=(), **sections):
    definition = example(method="random", run_cap=10) | sections
    definition["parameters"] |= {"learning_rate": rate, **dict(more)}
    return definition


def without(definition, *names):
    for name in names:
        del definition["parameters"][name]
    return definition


def repaired(**changes):
    rate = {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.1}
    parameters = {
        "learning_rate": rate,
        "optimizer": {"values": ["adam", "sgd"]},
        "num_epochs": {"value": 3},
    }
    names = ("method", "metric", "run_cap", "early_terminate", "description")
    sections = {key: changes.pop(key) for key in names if key in changes}
    definition = example(method="bayes", run_cap=20, parameters=parameters | changes) | sections
    return {key: value for key, value in definition.items() if value is not None}


def wrong_only(number, answer):
    return [words.partition(":")[0] for right, words in findings(number, answer) if not right]


def wrong(number, answer):
    found = [finding.words for finding in findings(number, answer) if not finding.right]
    assert found, "it was taken as right"
    return " ".join(found)


LOG = {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.1}
COARSE = {"distribution": "q_log_uniform_values", "min": 0.0001, "max": 0.1}
EARLY = {"type": "hyperband", "min_iter": 1}
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
        ("1.3", drawn(LOG, run_cap=8), "ends after 8 runs, not after 10"),
        ("1.3", drawn({"min": 0.0001, "max": 0.1}), "nine of ten draws are above 0.01"),
        ("1.3", drawn(LOG | {"distribution": "log_uniform"}), "exponents of e"),
        ("1.3", drawn(LOG | {"max": 0.01}), "go from 0.0001 to 0.01"),
        ("1.3", drawn(LOG | {"values": [0.1, 0.01]}), "has the key 'values'"),
        ("1.3", drawn(LOG | {"distribution": "q_log_uniform", "q": 0.01}), "exponents of e"),
        ("1.3", drawn({"min": 0.0001, "mu": 0.01}), "no value, values, or min and max"),
        ("1.3", drawn({"distribution": "log_normal", "mu": -4}), "no range"),
        ("1.3", drawn(COARSE), "coarser than its range"),
        ("1.3", drawn(COARSE | {"q": 0.01}), "rounds min 0.0001 to 0"),
        ("1.3", drawn(COARSE | {"q": 0.00015}), "multiples of 0.00015"),
        ("1.3", without(drawn(LOG), "optimizer"), "optimizer is missing"),
        ("1.3", without(drawn(LOG), "scale"), "scale is missing"),
        ("1.3", drawn(LOG, {"scale": {"value": "tiny"}}), "scale changed as well"),
        ("1.3", drawn(LOG, {"optimizer": {"value": "sgd"}}), "optimizer changed as well"),
        ("1.3", drawn(LOG, {"batch_size": {"value": 16}}), "batch_size was not asked for"),
        ("1.3", drawn(LOG, metric=LOSS), "metric changed as well"),
        ("1.3", drawn(LOG, early_terminate=EARLY), "early_terminate was not asked for"),
        ("1.4", repaired(method="bayesian"), "must be one of grid, random, bayes"),
        ("1.4", repaired(method="random"), "method became random"),
        ("1.4", repaired(metric=LOSS), "the file meant the accuracy"),
        (
            "1.4",
            repaired(metric={"name": "Validation Accuracy", "goal": "minimize"}),
            "looks for the worst accuracy",
        ),
        ("1.4", repaired(run_cap=None), "goes on for ever"),
        ("1.4", repaired(run_cap=500), "ends after 500 runs, not after 20"),
        ("1.4", repaired(run_cap=3), "ends after 3 runs, not after 20"),
        ("1.4", repaired(early_terminate=EARLY), "early_terminate was not asked for"),
        (
            "1.4",
            repaired(learning_rate={"min": 0.0001, "max": 0.1}),
            "distribution uniform is not logarithmic",
        ),
        ("1.4", repaired(learning_rate=LOG | {"distribution": "log_uniform"}), "exponents of e"),
        ("1.4", repaired(learning_rate=LOG | {"max": 1.0}), "go from 0.0001 to 1.0"),
        ("1.4", repaired(learning_rate=COARSE), "coarser than its range"),
        ("1.4", repaired(learning_rate=COARSE | {"q": 0.01}), "rounds min 0.0001 to 0"),
        ("1.4", repaired(learning_rate={"value": 0.1}), "still lists values"),
        ("1.4", repaired(optimizer={"value": "adam"}), "the optimizers adam and sgd"),
        ("1.4", repaired(optimizer={"values": ["adam"]}), "the optimizers adam and sgd"),
        ("1.4", repaired(optimizer={"values": ["adam", "adamw"]}), "the optimizers adam and sgd"),
        ("1.4", without(repaired(), "optimizer"), "the optimizers adam and sgd"),
        ("1.4", repaired(batch_size={"value": 16}), "batch_size was not asked for"),
        ("1.4", repaired(num_epochs={"value": 5}), "three epochs for every run"),
        ("1.5", ("Which optimizer is better?", example()), "ask something of your own"),
        (
            "1.5",
            (
                "Which optimizer is better?",
                example(parameters={"optimizer": {"values": ["sgd", "adam"]}}),
            ),
            "ask something of your own",
        ),
        (
            "1.5",
            (
                "Which learning_rate is best?",
                example(parameters={"learning_rate": {"values": [0.001, 0.1]}}),
            ),
            "ask something of your own",
        ),
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


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("1.1", example(metric=LOSS, description="The loss instead.")),
        ("1.3", drawn(LOG)),
        ("1.3", drawn(LOG | {"distribution": "inv_log_uniform_values"})),
        ("1.3", drawn(COARSE | {"q": 0.0001})),
        ("1.3", drawn(LOG, {"optimizer": {"values": ["sgd", "adam"]}})),
        ("1.3", drawn(LOG, {"scale": {"values": ["smoke"]}})),
        ("1.4", repaired()),
        ("1.4", repaired(optimizer={"values": ["sgd", "adam"]}, num_epochs={"values": [3]})),
        ("1.4", repaired(description="Repaired.", learning_rate=COARSE | {"q": 0.00005})),
        (
            "1.5",
            (
                "Is the learning rate 0.3 too high?",
                example(parameters={"learning_rate": {"values": [0.1, 0.3]}}),
            ),
        ),
    ],
)
def test_right_answer_may_be_written_in_several_ways(number, answer):
    assert [finding for finding in findings(number, answer) if not finding.right] == []


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


ASK = """
import sys
from workshop.exercises import findings
print(*(finding.words for finding in findings("2.1", sys.argv[1]) if not finding.right))
"""


def asked(path, **environment):
    """Ask about a sweep from a process of its own, whose client knows nothing of ours."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, path],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_server_that_refuses_to_look_is_not_taken_for_a_missing_sweep(server, tmp_path):
    path = registration.register(example(), "answers")
    key = {"WANDB_API_KEY": f"local-{'0' * 40}", "NETRC": str(tmp_path / "none")}
    said = asked(path, **key)
    assert "API key" in said
    assert "knows no sweep" not in said


def test_server_that_is_not_there_is_not_taken_for_a_missing_sweep(server):
    said = asked("local/answers/abcd1234", WANDB_BASE_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in said
    assert "knows no sweep" not in said


def lent(parameters=(), **sections):
    definition = example(method="random", run_cap=12)
    definition["description"] = "Does a higher momentum need a lower learning_rate?"
    definition["parameters"] = {
        "scale": {"value": "tiny"},
        "optimizer": {"value": "sgd"},
        "learning_rate": LOG,
        "momentum": {"min": 0.0, "max": 0.95},
    } | dict(parameters)
    return registration.register(definition | sections, "answers")


def test_wrong_answers_about_borrowed_agents(server):
    assert all(finding.right for finding in findings("2.4", lent()))
    assert all(finding.right for finding in findings("2.4", lent(method="bayes")))
    momenta = {"learning_rate": {"value": 0.01}, "momentum": {"values": [0.0, 0.3, 0.6, 0.9]}}
    assert "goes through its lists in order" in wrong("2.4", lent(momenta, method="grid"))
    assert "12 draws from 4 combinations repeat some" in wrong("2.4", lent(momenta))
    assert "ends after 100 runs, not after 12" in wrong("2.4", lent(run_cap=100))
    assert "goes on for ever" in wrong("2.4", registration.register(endless(), "answers"))
    assert "would be of scale smoke" in wrong("2.4", lent({"scale": {"value": "smoke"}}))
    assert "that of configs/config.yaml" in wrong(
        "2.4", registration.register(endless(), "answers")
    )
    assert "a sentence with a question mark" in wrong("2.4", lent(description="Momentum!"))
    assert "a sentence with a question mark" in wrong(
        "2.4", registration.register(endless(), "answers")
    )
    examples = {"momentum": {"value": 0.9}, "optimizer": {"values": ["adam", "sgd"]}}
    examples["learning_rate"] = {"values": [0.1, 0.01, 0.001, 0.0001]}
    assert "ask something of your own" in wrong("2.4", lent(examples))


def endless():
    return without(example(method="random"), "scale")


def command(action, path):
    words = [sys.executable, "-m", "wandb", "sweep", f"--{action}", path]
    subprocess.run(words, check=True, capture_output=True)


def test_wrong_answers_about_registered_sweeps(server):
    example_path = registration.register(example(), "answers")
    assert "would be of scale smoke" in wrong("2.1", example_path)
    assert "no complete path" in wrong("2.1", example_path.rpartition("/")[2])
    assert "knows no sweep" in wrong("2.1", f"{example_path[:-3]}xxx")
    tiny = example(parameters=example()["parameters"] | {"scale": {"value": "tiny"}})
    other = registration.register(tiny | {"method": "random", "run_cap": 8}, "answers")
    assert "run_cap was not asked for, method changed as well" in wrong("2.1", other)
    small = example()
    small["parameters"] = {"scale": {"value": "tiny"}, "learning_rate": {"values": [0.1, 0.01]}}
    small_path = registration.register(small, "answers")
    assert "it expects 2 runs, not eight" in wrong("2.1", small_path)

    assert "waits for its first agent" in wrong("2.2", small_path)
    stopped = registration.register(small, "answers")
    command("stop", stopped)
    assert "was stopped" in wrong("2.2", stopped)
    assert "it is finished: agents get nothing" in wrong("2.4", stopped)
    command("cancel", small_path)
    assert "was canceled" in wrong("2.2", small_path)
    command("resume", example_path)
    assert "hands out runs to every agent" in wrong("2.2", example_path)

    assert "both paths are the same" in wrong("2.3", (small_path, small_path))
    assert "does not try 0.03" in wrong("2.3", (small_path, example_path))
    assert "the old sweep is running" in wrong("2.3", (example_path, small_path))
    assert "combinations of the old sweep are missing" in wrong("2.3", (example_path, small_path))
    small["parameters"]["learning_rate"]["values"] = [0.1, 0.03, 0.01, 0.3, 0.2]
    more = registration.register(small, "answers")
    assert "it tries 3 new combinations" in wrong("2.3", (small_path, more))
    small["parameters"]["learning_rate"]["values"] = [0.1, 0.03, 0.01]
    assert wrong_only(
        "2.3", (small_path, registration.register(small | {"run_cap": 2}, "answers"))
    ) == ["run_cap was not asked for"]
    small["parameters"]["scale"] = {"value": "smoke"}
    assert wrong_only("2.3", (small_path, registration.register(small, "answers"))) == [
        "scale changed as well"
    ]


def test_wrong_answers_about_arrays(server):
    path = registration.register(example(), "answers")  # eight runs
    assert "takes 1 of the runs, not two" in wrong("3.2", slurm.plan(path, at_once=2))
    surplus = slurm.plan(path, tasks=8, at_once=2, runs_per_task=2)
    assert "8 tasks are more than the 8 runs that are left need" in wrong("3.2", surplus)
    few = slurm.plan(path, tasks=3, at_once=2, runs_per_task=2)
    assert "3 tasks would leave some of the 8 runs undone" in wrong("3.2", few)
    crowd = slurm.plan(path, at_once=4, runs_per_task=2)
    assert "4 tasks would run at once" in wrong("3.2", crowd)
    assert "this is a str, no plan" in wrong("3.2", path)
    for_ever = registration.register(endless(), "answers")
    plan = slurm.plan(for_ever, tasks=4, at_once=2, runs_per_task=2)
    assert "this sweep never ends" in wrong("3.2", plan)
    assert "this sweep never ends" in wrong("3.3", for_ever)


def test_a_sweep_that_names_no_data_is_not_the_broken_one(server):
    path, another = (registration.register(example(), "answers") for _ in range(2))
    assert "the first path is not that of the broken sweep" in wrong("3.4", (path, another))
