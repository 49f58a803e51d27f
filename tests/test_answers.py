"""What the likely wrong answers are told, and that no answer at all is a traceback."""

import copy
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from workshop.analyze import hyperparameters, search_methods
from workshop.define import definition
from workshop.errors import WorkshopError
from workshop.exercises import JUDGES, check, remarks
from workshop.exercises.search import FIRST_SEED
from workshop.initialize import registration
from workshop.paths import ROOT
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
    return [words.partition(":")[0] for right, words in remarks(number, answer) if not right]


def wrong(number, answer):
    found = [remark.words for remark in remarks(number, answer) if not remark.right]
    assert found, "it was taken as right"
    return " ".join(found)


OPTUNA = definition.load("configs/sweep_config_optuna.yaml")
LOG = {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.1}
COARSE = {"distribution": "q_log_uniform_values", "min": 0.0001, "max": 0.1}
EARLY = {"type": "hyperband", "min_iter": 1}
LOSS = {"name": "Validation Loss", "goal": "minimize"}


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("1.1", example(), "isn't a loss"),
        ("1.1", example(metric=LOSS | {"name": "Train Loss"}), "remembers the images"),
        ("1.1", example(metric=LOSS | {"goal": "maximize"}), "highest loss would win"),
        ("1.1", example(metric=LOSS | {"name": "Validation Los"}), "never logs"),
        ("1.1", example(metric=LOSS, method="random"), "method changed as well"),
        ("1.1", "Validation Loss", "this is a str, not a definition"),
        ("1.2", 9, "added the lengths"),
        ("1.2", 8, "without the batch sizes"),
        ("1.2", 12, "without the optimizers"),
        ("1.2", 6, "without the learning rates"),
        ("1.2", 32, "three values, not four"),
        ("1.2", 7, "count the values of each list"),
        ("1.2", "24", "isn't an integer"),
        ("1.2", True, "isn't an integer"),
        ("1.3", drawn(LOG, method="grid"), "a grid cannot enumerate"),
        ("1.3", example(), "the method is grid"),
        ("1.3", drawn(LOG, run_cap=8), "ends after 8 runs, not after 10"),
        ("1.3", drawn({"min": 0.0001, "max": 0.1}), "nine out of ten draws are above 0.01"),
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
        ("1.4", repaired(method="random"), "method is now random"),
        ("1.4", repaired(metric=LOSS), "the file meant the accuracy"),
        (
            "1.4",
            repaired(metric={"name": "Validation Accuracy", "goal": "minimize"}),
            "looks for the worst accuracy",
        ),
        ("1.4", repaired(metric={"name": "Validation Accuracy"}), "looks for the worst accuracy"),
        ("1.4", repaired(run_cap=None), "never ends by itself"),
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
        ("1.3", OPTUNA, "the method is custom"),
        ("1.4", OPTUNA, "method is now custom"),
        ("1.5", ("Does momentum help?", OPTUNA), "it varies 4 parameters"),
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
        ("4.2", (pd.DataFrame(), True), "expected a learning rate, got True"),
        (
            "1.5",
            ("Does batch_size matter?", example(parameters={"batch_size": {"value": 16}})),
            "it varies nothing",
        ),
        (
            "1.5",
            ("Which seed?", example(parameters={"seed": {"values": list(range(25))}})),
            "only time for 24",
        ),
    ],
)
def test_likely_wrong_answer_gets_its_own_sentence(number, answer, words):
    assert words in wrong(number, answer)


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("1.1", example(metric=LOSS, description="The loss instead.")),
        ("1.1", example(metric={"name": "Validation Loss"})),
        ("1.2", np.int64(24)),
        ("1.3", drawn(LOG)),
        ("1.3", drawn({"distribution": "log_uniform", "min": -9.21, "max": -2.303})),
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
        ("1.5", ("AdamW or SGD?", example(parameters={"optimizer": {"values": ["adamw", "sgd"]}}))),
        (
            "1.5",
            (
                "Is one epoch enough? I think not.",
                example(parameters={"point": {"values": [{"num_epochs": 1}, {"num_epochs": 2}]}}),
            ),
        ),
    ],
)
def test_right_answer_may_be_written_in_several_ways(number, answer):
    assert [remark for remark in remarks(number, answer) if not remark.right] == []


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
    with pytest.raises(WorkshopError, match=r"no exercise '1\.9' .*use one of 1\.1, 1\.2"):
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
from workshop.exercises import remarks
print(*(remark.words for remark in remarks("2.1", sys.argv[1]) if not remark.right))
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
    assert "there is no sweep" not in said


def test_server_that_is_not_there_is_not_taken_for_a_missing_sweep(server):
    said = asked("local/answers/abcd1234", WANDB_BASE_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in said
    assert "there is no sweep" not in said


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
    assert all(remark.right for remark in remarks("2.4", lent()))
    assert all(remark.right for remark in remarks("2.4", lent(method="bayes")))
    momenta = {"learning_rate": {"value": 0.01}, "momentum": {"values": [0.0, 0.3, 0.6, 0.9]}}
    assert "works through its lists in order" in wrong("2.4", lent(momenta, method="grid"))
    assert "12 draws from 4 combinations will repeat some" in wrong("2.4", lent(momenta))
    assert "ends after 100 runs, not after 12" in wrong("2.4", lent(run_cap=100))
    assert "never ends by itself" in wrong("2.4", registration.register(endless(), "answers"))
    assert "would have scale smoke" in wrong("2.4", lent({"scale": {"value": "smoke"}}))
    searched = wrong("2.4", registration.register(OPTUNA, "answers"))
    assert "would have scale smoke" in searched
    assert "it varies 4 parameters" in searched
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
    assert "would have scale smoke" in wrong("2.1", example_path)
    assert "is not the full path of a sweep" in wrong("2.1", example_path.rpartition("/")[2])
    assert "there is no sweep" in wrong("2.1", f"{example_path[:-3]}xxx")
    tiny = example(parameters=example()["parameters"] | {"scale": {"value": "tiny"}})
    other = registration.register(tiny | {"method": "random", "run_cap": 8}, "answers")
    assert "run_cap was not asked for, method changed as well" in wrong("2.1", other)
    small = example()
    small["parameters"] = {"scale": {"value": "tiny"}, "learning_rate": {"values": [0.1, 0.01]}}
    small_path = registration.register(small, "answers")
    assert "it expects 2 runs, not eight" in wrong("2.1", small_path)

    assert "is still waiting for its first agent" in wrong("2.2", small_path)
    stopped = registration.register(small, "answers")
    command("stop", stopped)
    assert "is stopped" in wrong("2.2", stopped)
    assert "it's finished: agents get no runs" in wrong("2.4", stopped)
    command("cancel", small_path)
    assert "is canceled" in wrong("2.2", small_path)
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
    assert "each task does 1 run, not two" in wrong("3.2", slurm.plan(path, at_once=2))
    surplus = slurm.plan(path, tasks=8, at_once=2, runs_per_task=2)
    assert "8 tasks are too many for the remaining 8 runs" in wrong("3.2", surplus)
    few = slurm.plan(path, tasks=3, at_once=2, runs_per_task=2)
    assert "3 tasks would leave some of the remaining 8 runs undone" in wrong("3.2", few)
    crowd = slurm.plan(path, at_once=4, runs_per_task=2)
    assert "4 tasks would run at once" in wrong("3.2", crowd)
    assert "this is a str, not a plan" in wrong("3.2", path)
    for_ever = registration.register(endless(), "answers")
    plan = slurm.plan(for_ever, tasks=4, at_once=2, runs_per_task=2)
    assert "this sweep never ends" in wrong("3.2", plan)
    assert "this sweep never ends" in wrong("3.3", for_ever)


def test_answers_about_a_throttle(server):
    path = registration.register(example(), "answers")

    def plan(**options):
        return slurm.plan(path, **{"site": "rehearsal", "at_once": 1, "mem": "8G", **options})

    for right in (plan(), plan(mem="8192M", tasks=3), plan(partition="low")):
        assert all(remark.right for remark in remarks("3.5", right))
    assert "it's for the site generic, not for rehearsal" in wrong("3.5", plan(site="generic"))
    assert "each task does 2 runs, not one" in wrong("3.5", plan(runs_per_task=2))
    assert "has 3G of memory, not 8G" in wrong("3.5", slurm.plan(path, at_once=1, site="rehearsal"))
    assert "2 tasks of 8 GB at once use 16 of the 16 GB" in wrong("3.5", plan(at_once=2))
    assert "this is a str, not a plan" in wrong("3.5", path)
    assert "no array was submitted for this sweep" in wrong("3.6", path)
    assert "the ledger has no task '7_1': it has no task" in wrong("3.7", (path, "7_1"))


def test_a_sweep_that_names_no_data_is_not_the_broken_one(server):
    path, another = (registration.register(example(), "answers") for _ in range(2))
    assert "the first path isn't the broken sweep's" in wrong("3.4", (path, another))


DOUBLING = {"type": "hyperband", "min_iter": 2, "eta": 2}


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("7.1", DOUBLING | {"eta": 3}, "which `eta` doubles"),
        ("7.1", DOUBLING | {"min_iter": 1}, "after only one epoch"),
        ("7.1", DOUBLING | {"min_iter": 10}, "it compares after none, not after 2, 4 and 8"),
        ("7.1", {"type": "hyperband", "eta": 2}, "needs min_iter, or max_iter and s"),
        ("7.1", DOUBLING | {"eta": 1}, "eta 1: it must be a number above 1"),
        ("7.1", [2, 4, 8], "this is a list, not a mapping"),
        ("7.1", {"early_terminate": DOUBLING}, "give only what is under early_terminate"),
        ("7.2", DOUBLING | {"min_iter": 1, "eta": 3}, "stopped in 5 % of the orders"),
        ("7.2", DOUBLING | {"min_iter": 3, "eta": 3}, "saves 42 % of the epochs, but should"),
        ("7.3", {"optimizer": "sgd"}, "this is a dict, not a search space"),
        ("7.3", dict, "this is a type, not a search space"),
    ],
)
def test_likely_wrong_answer_about_searching_gets_its_own_sentence(number, answer, words):
    assert words in wrong(number, answer)


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("7.1", {"type": "hyperband", "max_iter": 16, "s": 3, "eta": 2}),
        ("7.1", DOUBLING | {"strict": True}),
        ("7.2", DOUBLING | {"eta": 4}),
    ],
)
def test_right_answers_about_early_termination(number, answer):
    assert all(remark.right for remark in remarks(number, answer))


def space(momentum=("sgd",), log=True, low=0.0001, choices=("adam", "sgd")):
    def ask(trial):
        values = {"optimizer": trial.suggest_categorical("optimizer", list(choices))}
        values["learning_rate"] = trial.suggest_float("learning_rate", low, 0.3, log=log)
        if values["optimizer"] in momentum:
            values["momentum"] = trial.suggest_float("momentum", 0.5, 0.99)
        return values

    return ask


def test_wrong_search_spaces():
    assert all(remark.right for remark in remarks("7.3", space()))
    assert wrong_only("7.3", space(momentum=("adam", "sgd"))) == [
        "with adam, it asks for a momentum, which Adam ignores"
    ]
    assert "is drawn uniformly" in wrong("7.3", space(log=False))
    assert "is now 0.001 to 0.3" in wrong("7.3", space(low=0.001))
    assert "with sgd, it doesn't return momentum" in wrong("7.3", space(momentum=()))
    assert "Optuna can't use it (ValueError" in wrong("7.3", space(choices=("adam", "adamw")))
    assert "can't use it (TypeError" in wrong("7.3", lambda: {})
    assert wrong_only("7.3", lambda trial: None) == [
        "it doesn't return a dictionary of values, which is what a run gets"
    ]
    fixed = {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9}
    assert "with `suggest_categorical`" in wrong("7.3", lambda trial: fixed)


def test_wrong_choices_from_a_front():
    runs = pd.DataFrame(
        [("slow", 97, 12), ("quick", 80, 2), ("fair", 90, 3), ("beaten", 85, 3)],
        columns=["name", "Validation Accuracy", "seconds"],
    ).assign(state="finished")
    front = ["fair", "quick", "slow"]
    assert all(remark.right for remark in remarks("7.4", (runs, front, "fair")))
    assert "has a run that another one beats" in wrong("7.4", (runs, [*front, "beaten"], "fair"))
    assert "1 run of the Pareto front is missing" in wrong("7.4", (runs, front[:2], "fair"))
    assert "another fast enough run of the front" in wrong("7.4", (runs, front, "quick"))
    assert "takes more than 3 seconds" in wrong("7.4", (runs, front, "slow"))
    assert "beaten isn't on the front" in wrong("7.4", (runs, front, "beaten"))
    assert "there is no run 'nobody'" in wrong("7.4", (runs, front, "nobody"))
    assert "isn't the table of runs" in wrong("7.4", (runs[["name"]], front, "fair"))


def test_wrong_answers_about_the_winner_that_was_not():
    runs = pd.DataFrame(
        [
            (rate, "sgd", seed, value)
            for rate, values in {0.1: [95, 85, 87], 0.01: [90, 90, 92]}.items()
            for seed, value in enumerate(values, start=FIRST_SEED)
        ],
        columns=["learning_rate", "optimizer", "seed", "Validation Accuracy"],
    ).assign(state="finished")
    runs["run"] = runs.index.map(str)
    best, lucky = (0.01, "sgd"), (0.1, "sgd")
    assert all(remark.right for remark in remarks("7.5", (runs, best, 9.0)))
    assert "this is the winner of the first sweep" in wrong("7.5", (runs, lucky, 9.0))
    assert "there is no point (0.5, 'sgd')" in wrong("7.5", (runs, (0.5, "sgd"), 9.0))
    assert "includes the lucky seed" in wrong("7.5", (runs, best, 6.0))
    assert "take the new mean from it" in wrong("7.5", (runs, best, -9.0))
    assert "subtract its mean with the new seeds" in wrong("7.5", (runs, best, 1.0))
    assert "isn't the table of runs" in wrong("7.5", (runs[runs["seed"] == FIRST_SEED], best, 9.0))
    runs["Validation Accuracy"] += [-0.4, 0, 0, 0, 0, 0]
    assert wrong_only("7.5", (runs, best, 9)) == ["that is rounded"]


def test_the_recorded_winner_was_not_the_best():
    """Exercise 7.5 would ask for nothing otherwise."""
    seeds = search_methods.recorded_seeds()
    points = hyperparameters(seeds.attrs["definition"])
    won = search_methods.winners(seeds, "Validation Accuracy", points)
    assert won["its rank"][FIRST_SEED] > 1
    assert won["won with"][FIRST_SEED] > won["other seeds"][FIRST_SEED] + 1


PROGRAM = "notebooks/own_program/{}.py"
METRIC_OF_OWN = {"name": "val/loss", "goal": "minimize"}
RATES = {"values": [0.1, 0.01]}


def of_program(name, parameters, **sections):
    found = {"program": PROGRAM.format(name), "method": "grid", "metric": METRIC_OF_OWN}
    return found | {"parameters": parameters} | sections


def grouped(rates=RATES, momentum=0.9):
    inner = {"learning_rate": rates} | ({"momentum": {"value": momentum}} if momentum else {})
    return {"optimizer": {"parameters": inner}}


def by(form):
    return {"command": ["${env}", "${interpreter}", "${program}", form]}


SCHEDULED = {"method": "custom", "scheduler": OPTUNA["scheduler"]}
DOTTED = {"optimizer.learning_rate": RATES}


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("8.1", "own_program/faulty.py", "this isn't the text of a program"),
        ("8.1", {"text": "import wandb"}, "this isn't the text of a program"),
        ("8.1", "import wandb\nrun = wandb.init(\n", "is not Python that this interpreter reads"),
        ("8.2", of_program("nested", DOTTED), "is one name with a dot in it"),
        ("8.2", of_program("nested", {"epochs": {"values": [1, 2]}}), "varies no learning_rate"),
        ("8.2", of_program("faulty", grouped()), "it doesn't start nested.py"),
        ("8.2", of_program("nested", None, **SCHEDULED), "varies no learning_rate"),
        ("8.3", of_program("hydra_style", None, **SCHEDULED), "varies no optimizer.learning_rate"),
        ("8.2", "optimizer", "this is a str, not a definition"),
        ("8.3", of_program("hydra_style", DOTTED), "its agents pass ${args}: which macro"),
        ("8.3", of_program("hydra_style", DOTTED, **by("${args_json}")), "pass ${args_json}"),
        ("8.3", of_program("nested", DOTTED, **by("${args_no_hyphens}")), "start hydra_style.py"),
    ],
)
def test_likely_wrong_answer_about_a_program_gets_its_own_sentence(number, answer, words):
    assert words in wrong(number, answer)


def test_answers_about_a_program_are_tried(server):
    faulty = (ROOT / PROGRAM.format("faulty")).read_text()
    half = faulty.replace('config["learning_rate"], c', 'run.config["learning_rate"], c')
    assert wrong_only("8.1", half) == ["with another momentum, nothing that it logs has changed"]
    assert "no run of it has reached" in wrong("8.1", "import wandb\n")
    three = grouped({"values": [0.1, 0.01, 1.0]}, momentum=None)
    advice = wrong_only("8.2", of_program("nested", three))
    assert advice == [
        "it should try the learning rates 0.1 and 0.01, not [0.1, 0.01, 1.0]",
        "the momentum of every run should be 0.9, in the same group",
    ]
    nested = of_program("hydra_style", grouped(), **by("${args_no_hyphens}"))
    assert "it varies no optimizer.learning_rate" in wrong("8.3", nested)
