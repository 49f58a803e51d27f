"""The layers of the training configuration, and what is said about faulty ones."""

import pytest
import yaml
from pydantic import ValidationError

from sweepserver.search.values import closest
from workshop.errors import WorkshopError
from workshop.paths import CONFIGS, ROOT
from workshop.trainer import config
from workshop.trainer.config import TrainingConfig, field_error, parse_arguments, resolve
from workshop.trainer.optim import OPTIMIZERS


@pytest.fixture
def own_configs(tmp_path, monkeypatch):
    """A folder of configuration files that a test may spoil."""
    (tmp_path / "scales").mkdir()
    for file in [CONFIGS / "config.yaml", *(CONFIGS / "scales").iterdir()]:
        copy = tmp_path / file.relative_to(CONFIGS)
        copy.write_text(file.read_text())
    monkeypatch.setattr(config, "CONFIGS", tmp_path)
    return tmp_path


def test_later_layers_win():
    file = yaml.safe_load((CONFIGS / "config.yaml").read_text())
    scale = yaml.safe_load((CONFIGS / "scales" / "smoke.yaml").read_text())
    assert scale["num_epochs"] != file["num_epochs"]

    assert resolve().learning_rate == file["learning_rate"]
    assert resolve().num_epochs == scale["num_epochs"]
    assert resolve({"num_epochs": 7}).num_epochs == 7
    assert resolve({"num_epochs": 7}, {"num_epochs": 9}).num_epochs == 9


def test_the_sweep_may_choose_the_scale():
    assert resolve({"scale": "smoke"}, {"scale": "full"}).image_size == 224


@pytest.mark.parametrize("scale", sorted((CONFIGS / "scales").glob("*.yaml")), ids=lambda f: f.stem)
def test_every_scale_is_a_short_diff(scale):
    differences = yaml.safe_load(scale.read_text())
    assert resolve({"scale": scale.stem}).scale == scale.stem
    assert 0 < len(differences) < len(TrainingConfig.model_fields) / 2
    assert scale.read_text().startswith("#"), "a scale says why"


def test_the_file_of_defaults_has_every_field_and_no_other():
    assert list(yaml.safe_load((CONFIGS / "config.yaml").read_text())) == list(
        TrainingConfig.model_fields
    )


@pytest.mark.parametrize(
    ("key", "given", "used"),
    [
        ("learning_rate", "1e-3", 0.001),  # YAML 1.1 reads 1e-3 as text
        ("learning_rate", ".5E-2", 0.005),
        ("learning_rate", 1, 1.0),
        ("batch_size", 64.0, 64),  # a quantised range yields floats
        ("batch_size", "64", 64),
        ("pretrained", "True", True),
    ],
)
def test_values_of_an_obvious_meaning_are_accepted(key, given, used):
    value = getattr(resolve(swept={key: given}), key)
    assert value == used
    assert type(value) is type(used)


*_FIRST, _LAST = map(repr, OPTIMIZERS)
ALTERNATIVES = f"{', '.join(_FIRST)} or {_LAST}"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("learning_rate", "fast", "is 'fast', but it must be a valid number"),
        ("learning_rate", 0, "is 0, but it must be greater than 0"),
        ("learning_rate", float("inf"), "is inf, but it must be a finite number"),
        ("learning_rate", True, "is True, but it must be a valid number"),
        ("learning_rate", [0.1], "is [0.1], but it must be a valid number"),
        ("batch_size", True, "is True, but it must be a valid integer"),
        ("batch_size", 2.5, "is 2.5, but it must be a valid integer"),
        ("batch_size", 1, "is 1, but it must be greater than or equal to 2"),
        ("batch_size", None, "is None, but it must be a valid integer"),
        ("pretrained", "perhaps", "is 'perhaps', but it must be a valid boolean"),
        ("optimizer", "adm", f"is 'adm', but it must be {ALTERNATIVES}"),
        ("dataset", "images:", "but it must be 'digits', 'cifar10' or 'images:FOLDER'"),
    ],
)
def test_a_wrong_value_is_explained(key, value, expected):
    with pytest.raises(WorkshopError) as error:
        resolve(swept={key: value})
    assert str(error.value).startswith(f"the sweep: {key} is ")
    assert str(error.value).endswith(expected)
    assert field_error(key, value).endswith(expected)


def test_a_right_value_has_no_error():
    assert field_error("learning_rate", 0.1) is None


def test_the_source_of_a_wrong_value_is_named(own_configs):
    with pytest.raises(WorkshopError, match=r"^the command line: seed is -1"):
        resolve({"seed": -1})
    file = own_configs / "config.yaml"
    file.write_text(file.read_text().replace("seed: 0 ", "seed: -1 "))
    with pytest.raises(WorkshopError, match=r"config\.yaml: seed is -1"):
        resolve()


def test_a_misspelt_key_is_answered_with_the_right_one():
    with pytest.raises(WorkshopError) as error:
        resolve(swept={"learning_rte": 0.1})
    assert "the sweep: the trainer has no parameter learning_rte" in str(error.value)
    assert "did you mean 'learning_rate'?" in str(error.value)


def test_of_several_problems_the_first_is_told_and_the_others_are_counted():
    with pytest.raises(WorkshopError, match=r"batch_size .* \(and 2 more problems\)$"):
        resolve({"batch_size": 0, "seed": -1, "momentum": 2})


def test_an_unknown_scale_is_answered_with_those_there_are():
    with pytest.raises(WorkshopError, match=r"scale is 'smok', .* class, full, smoke"):
        resolve({"scale": "smok"})


def test_finetuning_needs_pretrained_weights():
    with pytest.raises(WorkshopError, match=r"finetune is true, .* pretrained is false"):
        resolve({"finetune": True, "pretrained": False})
    assert resolve({"finetune": True, "pretrained": True}).finetune


def test_a_missing_key_is_named(own_configs):
    file = own_configs / "config.yaml"
    file.write_text(file.read_text().replace("momentum:", "# momentum:"))
    with pytest.raises(WorkshopError, match=r"config\.yaml: momentum is missing"):
        resolve()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("seed: 0\nscale: [", r"config\.yaml is not valid YAML in line 2"),
        ("- seed", r"config\.yaml contains a list: write it as `key: value` lines"),
        (None, r"config\.yaml cannot be read \(.*No such file.*\)"),
    ],
)
def test_a_spoilt_file_is_explained(own_configs, content, expected):
    file = own_configs / "config.yaml"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(WorkshopError, match=expected):
        resolve()


def test_arguments_are_read_for_every_field():
    arguments = [f"--{key}={value}" for key, value in resolve().model_dump().items()]
    assert resolve(parse_arguments(arguments)) == resolve()
    assert parse_arguments(["--seed", "3"]) == {"seed": "3"}
    assert parse_arguments([]) == {}


def test_an_unknown_argument_reaches_the_explanation():
    with pytest.raises(
        WorkshopError,
        match=r"the command line: the trainer has no parameter lerning_rate .*'learning_rate'",
    ):
        resolve(parse_arguments(["--lerning_rate=0.1"]))


def test_help_lists_every_field(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse_arguments(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{key} " in text for key in TrainingConfig.model_fields)


def test_relative_paths_start_at_the_repository(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    resolved = resolve({"data_path": "some/data", "dataset": "images:pictures"})
    assert resolved.data_folder == ROOT / "some" / "data"
    assert resolved.image_folder == ROOT / "pictures"
    assert resolve({"dataset": f"images:{tmp_path}"}).image_folder == tmp_path.resolve()


def test_a_configuration_does_not_change():
    with pytest.raises(ValidationError):
        resolve().learning_rate = 1.0


def test_closest():
    assert closest("gird", ["grid", "random"]) == " (did you mean 'grid'?)"
    assert closest(None, ["grid", "random"]) == ""
