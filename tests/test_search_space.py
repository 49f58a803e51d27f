"""What a sweep varies whose scheduler has a search space in Python."""

import pytest

from sweepserver.search import Scale
from workshop import define
from workshop.define import search_space
from workshop.errors import WorkshopError

OPTUNA = define.load("configs/sweep_config_optuna.yaml")


def test_parameters_of_every_branch_are_found():
    assert search_space.hyperparameters(OPTUNA) == {
        "optimizer": Scale("category", ("adam", "sgd")),
        "learning_rate": Scale("log"),
        "weight_decay": Scale("log"),
        "momentum": Scale("linear"),
    }
    drawn = define.preview(OPTUNA).set_index("parameter")["drawn from"]
    assert drawn["optimizer"] == "one of adam, sgd"
    assert drawn["learning_rate"] == "log_uniform_values, min 0.0001, max 0.3"


def test_parameter_named_like_another_column_gets_one_of_its_own():
    lists = {name: {"values": [1, 2]} for name in ("loss", "epochs", "state", "seconds")}
    definition = {
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": lists | {"host": {"parameters": {"cpus": {"values": [1, 2]}}}},
    }
    own = ["loss", "epochs", "state", "seconds", "host.cpus"]
    shown = ["config.loss", "epochs", "config.state", "config.seconds", "host.cpus"]
    assert list(search_space.scales(definition)) == own
    assert list(search_space.hyperparameters(definition)) == shown
    assert search_space.columns(own, definition) == dict(zip(own, shown, strict=True))


def test_search_space_is_the_one_that_optuna_sees():
    """The same names and bounds as in the distributions of real trials."""
    import optuna

    space = search_space._load(OPTUNA["scheduler"])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = {}
    for _ in range(20):
        trial = study.ask()
        space(trial)
        seen |= trial.distributions
    found = search_space.parameters(OPTUNA)
    assert found.pop("scale") == {"value": "smoke"}
    assert found.pop("model_name") == {"value": "resnet18"}
    assert set(seen) == set(found)
    for name, distribution in seen.items():
        if isinstance(distribution, optuna.distributions.CategoricalDistribution):
            assert list(distribution.choices) == found[name]["values"]
        else:
            assert (distribution.low, distribution.high) == (
                found[name]["min"],
                found[name]["max"],
            )


def test_conditions_within_conditions(tmp_path, monkeypatch):
    file = tmp_path / "space.py"
    file.write_text(
        """
def space(trial):
    if trial.suggest_categorical("a", [1, 2, 3]) == 3:
        if trial.suggest_categorical("b", ["x", "y"]) == "y":
            trial.suggest_int("c", 1, 9, step=2)
        trial.suggest_int("d", 1, 9)
    rate = trial.suggest_float("e", 1, 2, log=True)
    return {"same": 7, "made": 2 * rate, "e": rate}
"""
    )
    monkeypatch.setattr(search_space, "ROOT", tmp_path)
    monkeypatch.setattr(search_space, "CONFIGS", tmp_path)
    scheduler = {"engine": "optuna", "source": "space.py", "search_space": "space"}
    assert search_space.parameters({"scheduler": scheduler}) == {
        "a": {"values": [1, 2, 3]},
        "b": {"values": ["x", "y"]},
        "c": {"distribution": "q_uniform", "min": 1, "max": 9, "q": 2},
        "d": {"min": 1, "max": 9},
        "e": {"distribution": "log_uniform_values", "min": 1, "max": 2},
        "same": {"value": 7},
    }


@pytest.mark.parametrize(
    "scheduler",
    [
        None,
        {"engine": "wandb"},
        {"search_space": "f"},
        {"search_space": "f", "source": "configs/nothing.py"},
        {"search_space": "f", "source": "configs/optuna_search.py"},
    ],
)
def test_search_space_that_is_not_here_has_no_parameters(scheduler):
    assert search_space.parameters({"scheduler": scheduler}) == {}


def test_files_of_others_are_not_executed(tmp_path, monkeypatch):
    """A definition comes from a server, on which others register sweeps as well."""
    configs, kept = tmp_path / "configs", tmp_path / ".workshop"
    for folder in (configs, kept):
        folder.mkdir()
    file = kept / "evil.py"  # in the clone, but written by a server, a run or a download
    file.write_text(f"open({str(tmp_path / 'done')!r}, 'w')\ndef f(trial): pass\n")
    monkeypatch.setattr(search_space, "ROOT", tmp_path)
    monkeypatch.setattr(search_space, "CONFIGS", configs)
    for source in (str(file), ".workshop/evil.py", "configs/../.workshop/evil.py"):
        assert search_space.parameters({"scheduler": {"search_space": "f", "source": source}}) == {}
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return {'x': trial.suggest_uniform('x', 0, 1)}", "AttributeError: .*suggest_uniform"),
        ("return trial.suggest_float('x', 0, 1)", "TypeError"),
        ("return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_search_space_that_fails_is_said_in_a_sentence(tmp_path, monkeypatch, body, expected):
    (tmp_path / "space.py").write_text(f"def space(trial):\n    {body}\n")
    monkeypatch.setattr(search_space, "ROOT", tmp_path)
    monkeypatch.setattr(search_space, "CONFIGS", tmp_path)
    scheduler = {"engine": "optuna", "source": "space.py", "search_space": "space"}
    with pytest.raises(
        WorkshopError, match=rf"'space' of space\.py could not be read .*{expected}"
    ):
        search_space.parameters({"scheduler": scheduler})
