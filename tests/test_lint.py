import copy

import pytest

from workshop.define import program
from workshop.define.definition import load
from workshop.define.linter import check, lint
from workshop.errors import WorkshopError
from workshop.paths import CONFIGS

GOOD = {
    "program": "workshop/wandb_sweep.py",
    "method": "random",
    "metric": {"name": "Validation Accuracy", "goal": "maximize"},
    "run_cap": 3,
    "parameters": {
        "learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
        "optimizer": {"values": ["adam", "sgd"]},
        "batch_size": {"distribution": "q_uniform", "min": 16, "max": 64, "q": 16},
    },
}


def changed(path: str, value: object) -> dict:
    """Return `GOOD` with the value at the dotted path replaced, or removed if it is None."""
    config = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    section = config
    for parent in parents:
        section = section[parent]
    if value is None:
        del section[last]
    else:
        section[last] = value
    return config


def test_good_configuration_has_no_findings():
    assert lint(GOOD) == []


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("sweep_config*.yaml")), ids=lambda p: p.name)
def test_configurations_of_the_kit_are_good(path):
    assert lint(load(path)) == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("metod", "grid", ["'metod'", "did you mean 'method'"]),
        ("method", "randon", ["'randon'", "did you mean 'random'"]),
        ("method", None, ["method is None", "grid, random, bayes"]),
        ("program", "workshop/nothing.py", ["'workshop/nothing.py'", "does not exist"]),
        ("program", None, ["'program' is missing"]),
        ("run_cap", 0, ["run_cap is 0", "1 or more"]),
        ("run_cap", True, ["run_cap is True"]),
        ("metric.goal", "maximise", ["'maximise'", "minimize, maximize"]),
        ("metric.name", "val_acc", ["'val_acc'", "never logs", "Validation Accuracy"]),
        ("metric", "Validation Accuracy", ["a mapping with a name"]),
        ("parameters", {}, ["parameters is {}"]),
        ("parameters.batch_size.q", 0, ["'batch_size'", "q 0", "a number above 0"]),
        ("parameters.batch_size.q", "16", ["q '16'", "a finite number"]),
        ("parameters.learning_rat", {"value": 0.1}, ["'learning_rat'", "'learning_rate'"]),
        ("parameters.learning_rate", 0.1, ["'learning_rate' is 0.1", "values:"]),
        ("parameters.learning_rate", {"values": 0.1}, ["values: 0.1", "isn't a list", "[0.1]"]),
        ("parameters.learning_rate", {"values": []}, ["empty list"]),
        ("parameters.learning_rate", {"value": "fast"}, ["'fast'", "number"]),
        ("parameters.learning_rate", {"values": [0.1, 0.1]}, ["0.1 2 times"]),
        ("parameters.learning_rate", {"min": 1.0, "max": 0.1}, ["min must be", "below max"]),
        ("parameters.learning_rate", {"min": 0.1}, ["no value, values, or min and max"]),
        ("parameters.group", {"rate": {"value": 1}}, ["(or, if it's a group, the section"]),
        ("parameters.learning_rate", {"value": 0.1, "mx": 1}, ["'mx'", "did you mean 'max'"]),
        ("parameters.learning_rate.distribution", "log_unifrm", ["did you mean 'log_uniform'"]),
        ("parameters.optimizer", {"values": ["adam", "sdg"]}, ["'sdg'", "'sgd'"]),
        ("parameters.optimizer", {"value": True}, ["True"]),
    ],
)
def test_fault_is_named_in_one_sentence(path, value, words):
    findings = lint(changed(path, value))
    assert findings
    assert all(word in findings[0] for word in words), findings[0]
    assert "\n" not in findings[0]


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("learning_rate", ("q_log_uniform_values", 0.0001, 0.1, None), "q 1, which is coarser"),
        ("learning_rate", ("q_uniform", 0.0001, 0.1, 0.5), "q 0.5, which is coarser"),
        ("learning_rate", ("q_log_uniform_values", 0.0001, 0.1, 0.01), "rounds min 0.0001 to 0:"),
        ("learning_rate", ("q_log_uniform", -9.2, -2.3, None), "from 0.000101039 to 0.100259"),
        ("batch_size", ("q_uniform", 16, 64, 49), "q 49, which is coarser"),
        ("batch_size", ("q_uniform", 16, 64, 40), "rounds min 16 to 0: make q at most 16"),
    ],
)
def test_step_that_spoils_what_is_drawn_is_found(name, given, words):
    keys = zip(("distribution", "min", "max", "q"), given, strict=True)
    specification = {key: value for key, value in keys if value is not None}
    findings = lint(changed(f"parameters.{name}", specification))
    assert len(findings) == 1
    assert findings[0].startswith(f"parameter {name!r} has q ")
    assert words in findings[0]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("learning_rate", ("q_log_uniform_values", 0.0001, 0.1, 0.0001)),
        ("learning_rate", ("q_log_uniform", -9.2, -2.3, 0.0001)),
        ("weight_decay", ("q_uniform", 0.0001, 0.1, 0.01)),  # rounds to 0, which is a value of it
        ("weight_decay", ("q_uniform", 0.1, 0.3, 0.2)),
        ("batch_size", ("q_uniform", 16, 64, None)),
    ],
)
def test_fine_step_has_no_finding(name, given):
    keys = zip(("distribution", "min", "max", "q"), given, strict=True)
    specification = {key: value for key, value in keys if value is not None}
    assert lint(changed(f"parameters.{name}", specification)) == []


def test_grid_cannot_enumerate_a_range():
    findings = lint(GOOD | {"method": "grid"})
    assert len(findings) == 1
    assert (
        "'learning_rate' has distribution log_uniform_values, which a grid cannot enumerate"
        in findings[0]
    )


@pytest.mark.parametrize(
    "given", [{"distribution": "beta", "a": 1, "b": 2}, {"distribution": "normal", "mu": 0.5}]
)
def test_grid_cannot_enumerate_what_has_no_ends(given):
    config = GOOD | {"method": "grid", "parameters": {"momentum": given}}
    assert lint(config | {"method": "random"}) == []
    assert "which a grid cannot enumerate" in lint(config)[0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"method": "bayes"}, "method bayes must know"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 3}}, "early_terminate must know"),
    ],
)
def test_bayes_and_early_terminate_need_a_metric(more, words):
    assert lint(GOOD | more) == []
    findings = lint(changed("metric", None) | more)
    assert len(findings) == 1
    assert "'metric' is missing" in findings[0]
    assert words in findings[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("hyperband", "'hyperband': it must be a mapping"),
        ({"min_iter": 3}, "type: hyperband"),
        ({"type": "hyperband"}, "needs min_iter, or max_iter and s"),
        ({"type": "hyperband", "max_iter": 27}, "needs min_iter, or max_iter and s"),
        ({"type": "hyperband", "min_iter": 3, "etta": 2}, "did you mean 'eta'"),
        ({"type": "hyperband", "min_iter": 0}, "min_iter 0"),
        ({"type": "hyperband", "min_iter": 3, "eta": 1}, "eta 1"),
        ({"type": "hyperband", "min_iter": 3, "strict": "yes"}, "strict 'yes'"),
    ],
)
def test_settings_of_early_terminate_that_would_do_nothing_are_found(settings, words):
    findings = lint(GOOD | {"early_terminate": settings})
    assert len(findings) == 1
    assert words in findings[0]


def test_log_uniform_takes_exponents_that_are_no_values_of_the_parameter():
    config = changed(
        "parameters.learning_rate", {"distribution": "log_uniform", "min": -9.2, "max": -2.3}
    )
    assert lint(config) == []


def test_check_raises_the_first_finding_and_counts_the_others():
    with pytest.raises(WorkshopError, match=r"sweep\.yaml: method is.*\(and 1 more\)"):
        check(GOOD | {"method": "randon", "run_cap": 0}, "sweep.yaml")


OPTUNA = {
    "engine": "optuna",
    "source": "configs/optuna_search.py",
    "search_space": "search_space",
}
TWO_GOALS = [
    {"name": "Validation Accuracy", "goal": "maximize"},
    {"name": "Epoch Seconds", "goal": "minimize"},
]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "custom", "scheduler": OPTUNA, "metric": None, "parameters": None},
        {
            "method": "custom",
            "scheduler": OPTUNA,
            "metric": None,
            "metrics": TWO_GOALS,
            "parameters": None,
        },
        {"method": "custom", "scheduler": {"engine": "optuna"}},
        {"metric": {"name": "Validation Loss"}},
        {"metric": {"name": "Images per Second", "goal": "maximize"}},
        {"metric": {"name": "Learning Rate"}},
        {"kind": "sweep", "apiVersion": "1"},
        {"method": "grid", "parameters": {"seed": {"min": 1, "max": 30}}},
        {"parameters": {"learning_rate": {"min": 0, "max": 0.1}}},
        {"parameters": {"momentum": {"distribution": "normal"}}},
        {"parameters": {"weight_decay": {"distribution": "log_normal"}}},
        {"parameters": {"momentum": {"distribution": "uniform", "min": 0, "max": 1}}},
        {"early_terminate": {"type": "hyperband", "min_iter": 1, "max_iter": 27, "s": 2}},
    ],
    ids=str,
)
def test_what_wandb_documents_is_accepted(change):
    config = {key: value for key, value in (GOOD | change).items() if value is not None}
    assert lint(config) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"parameters": {"seed": {"values": [1, 2], "probabilities": [0.9, 0.9]}}}, "sum is 1.8"),
        ({"parameters": {"momentum": {"distribution": "normal", "sigma": -1}}}, "sigma -1"),
        ({"parameters": {"seed": {"value": 1, "min": 0}}}, "has the key 'min'"),
        (
            {
                "parameters": {
                    "learning_rate": {"distribution": "log_uniform_values", "min": 0, "max": 1}
                }
            },
            "min 0: it must be above 0",
        ),
        (
            {"early_terminate": {"type": "hyperband", "max_iter": 2, "s": 1}},
            "max_iter 2, which is less than eta 3",
        ),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "max_iter": 9}}, "needs s"),
        ({"method": "bayes", "parameters": {"seed": {"value": 1}}}, "more than one value"),
        ({"metric": {"name": "Train Loss", "target": "0.5"}}, "target is '0.5'"),
        (
            {"parameters": {"batch_size": {"distribution": "int_uniform", "min": 1, "max": 9.5}}},
            "they must be whole numbers",
        ),
        ({"parameters": {"batch_size": {"min": 16, "max": 64.0}}}, "is 33.76, but it must be"),
        ({"early_stopping": {}}, "'early_stopping' is not known"),
        ({"parameters": {"name": {"parameters": {"rate": 3}}}}, "parameter 'name.rate' is 3: "),
        (
            {"parameters": {"learning_rate": {"values": ["1e-1", 0.05, "1E3"]}}},
            "parameter 'learning_rate' has '1e-1', '1E3', which YAML reads as text, not as a "
            "number: write 1.0e-1, 1.0e+3",
        ),
        ({"parameters": {"learning_rate": {"value": ".5e3"}}}, "write 0.5e+3"),
        (
            {"parameters": {"learning_rate": {"min": "1e-5", "max": 0.1}}},
            "min '1e-5': it must be a finite number; YAML reads it as text, so write 1.0e-5",
        ),
        (
            {"parameters": {"seed": {"values": [1, 2], "probabilities": ["5e-1", 0.5]}}},
            "values; YAML reads it as text, so write 5.0e-1",
        ),
        ({"metric": {"name": "Train Loss", "target": "1e-3"}}, "so write 1.0e-3"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": "1e1"}}, "1.0e+1"),
        ({"command": ["python", "-m", "workshop.wandb_swep", "${args}"]}, "does not exist"),
        ({"parameters": {"optimizer": {"parameters": {"a": {"value": 1}}}}}, "is nested"),
    ],
    ids=str,
)
def test_what_would_fail_is_found_before_a_run_does(change, words):
    findings = lint(GOOD | change)
    assert words in findings[0], findings


def test_a_section_among_the_parameters_is_found_once():
    findings = lint(GOOD | {"parameters": GOOD["parameters"] | {"run_cap": 10}})
    assert findings == ["run_cap is not a parameter: write it beside parameters, not below"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"value": {"learning_rate": 0.1}}, "'point' must have values"),
        ({"values": [3]}, "lists 3: it must be a mapping of parameters"),
        ({"values": [{"learning_rat": 0.1}]}, "'learning_rat' is not one that the program knows"),
        ({"values": [{"optimizer": "sdg"}]}, "parameter 'optimizer' is 'sdg', but it must be"),
    ],
)
def test_points_hold_parameters_of_the_program(settings, expected):
    config = load("configs/sweep_config.yaml") | {"parameters": {"point": settings}}
    (finding,) = lint(config)
    assert expected in finding


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"source": "configs/nothing.py"}, "source 'configs/nothing.py' does not exist"),
        ({"source": "README.md"}, "source 'README.md' is not valid Python"),
        ({"optimizer": "tep"}, "optimizer is 'tep', but configs/optuna_search.py defines no such"),
        ({"search_space": "space"}, "search_space is 'space'"),
    ],
)
def test_file_and_functions_of_a_scheduler_are_there(settings, expected):
    config = load("configs/sweep_config_optuna.yaml")
    (finding,) = lint(config | {"scheduler": config["scheduler"] | settings})
    assert expected in finding


def test_names_of_another_program_are_taken_as_given(tmp_path):
    (tmp_path / "train.py").write_text("")
    (tmp_path / "sweep.yaml").write_text(
        "program: train.py\nmethod: grid\nmetric: {name: val/f1, goal: maximize}\n"
        "parameters: {lr: {values: [0.5, 0.5]}, model: {parameters: {depth: {value: 3}}}}\n"
    )
    with pytest.raises(WorkshopError, match=r"sweep.yaml: parameter 'lr' lists 0.5 2 times.*once$"):
        load(tmp_path / "sweep.yaml")
    (tmp_path / "train.py").rename(tmp_path / "fit.py")
    with pytest.raises(WorkshopError, match=r"'train.py' does not exist.*beside the definition"):
        load(tmp_path / "sweep.yaml")


def test_what_a_definition_starts_in_its_own_folder_it_starts_there_everywhere(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "train.py").write_text("")
    for command, expected in (
        (["python", "-m", "package.train", "${args}"], ["python", "-m"]),
        (["${env}", "python", "package/train.py", "${args}"], ["python", "package/train.py"]),
    ):
        placed = program.placed({"command": command}, tmp_path)["command"]
        assert placed[:4] == ["${env}", f"--chdir={tmp_path}", *expected]
        assert program.is_foreign({"command": placed})
        assert program.placed({"command": placed}, package)["command"] == placed
