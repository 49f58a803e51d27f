"""Programs with and without faults, and what a try-out finds out about each.

They need no PyTorch, so that a start takes as long as the client does.
"""

import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from sweepserver import search
from tests.adopt.limits import AS_OPTIONS, LIMITS
from workshop import cli
from workshop.adopt import session
from workshop.adopt.findings import Adoption
from workshop.adopt.source import Source
from workshop.define import program as programs
from workshop.define.definition import load
from workshop.define.linter import lint
from workshop.errors import WorkshopError

pytestmark = pytest.mark.scattered

FOLDER = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Expected:
    """What is found out.

    Attributes:
        verdicts: by parameter.
        words: what is said, in the order in which it is; those that begin with `!` are problems.
        form: how the program takes its values.
        given: two values of parameters that nothing tells.
        with_endings: whether to try how the program ends as well.
    """

    verdicts: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    form: str = "${args}"
    given: dict[str, list] = field(default_factory=dict)
    # How a program ends takes three or four starts, and most programs are here for a verdict or a
    # form. It's tried where words about it are expected, and in one more program without any
    # problem, in which none may be found then either.
    with_endings: bool = False


USED = {"lr": "used", "momentum": "used"}
EXPECTED = {
    "argument_parser": Expected(
        USED | {"epochs": "used"},
        ("logs 'val/loss' (4 times)", "judged by 'val/loss': minimize", "shows the failure"),
        with_endings=True,
    ),
    "dictionary": Expected(USED, ("'val_acc' (4 times), 'train_loss'", "'val_acc': maximize")),
    "nested": Expected(
        {"optimizer.lr": "used", "optimizer.momentum": "used", "epochs": "used"},
        ("judged by 'val.loss'",),
        with_endings=True,
    ),
    "yaml_defaults": Expected(
        {"lr": "ignored", "momentum": "used"},
        (
            "!ignores lr: with lr=0.05 in place of 0.1 only lr, which repeats it, has changed in "
            'what was logged; line 12 reads it from elsewhere, `for loss in losses(lr=SETTINGS["',
        ),
    ),
    "flags": Expected(
        {"lr": "used", "fast": "used", "machine": "not tried"},
        ("Its command line refuses size, so a sweep can't set size",),
        "${args_no_boolean_flags}",
    ),
    "only_once": Expected(
        words=("!started in the same way again (FileExistsError: [Errno 17] File exists",)
    ),
    "asks_for_more": Expected(words=("!the following arguments are required: --data): give it",)),
    "without_wandb": Expected(
        words=("!no run of it has reached the server: it does not use wandb. Four steps",)
    ),
    "crash": Expected(
        words=("!fails with status 1 (RuntimeError: cannot decode image 217): corr",)
    ),
    "ignores_one": Expected(
        {"lr": "used", "dropout": "ignored"},
        ("!It ignores dropout: with dropout=0.1 in place of 0.2 only rate of dropout, which",),
    ),
    "needs_variable": Expected(
        words=("!fails with status 1 (KeyError: 'MY_DATA_FOLDER'): it needs the environment var",)
    ),
    "hides_failure": Expected(
        {"lr": "used"}, ("!ends with status 0, so a run that fails would",), with_endings=True
    ),
    "json_file": Expected(
        {"lr": "used"}, ("'score': maximize",), "${args_json_file}", {"lr": [0.1, 0.2]}
    ),
    "assignments": Expected(
        USED,
        ("command: [${env}, --chdir=",),
        "${args_no_hyphens}",
        {"lr": [0.1, 0.2], "momentum": [0.5, 0.9]},
    ),
    "random_results": Expected({"momentum": "unclear"}, ("give it a fixed seed",)),
    "resumes": Expected(
        {"lr": "used", "epochs": "used"},
        ("(USR1) ends it with status 75: its run can resume later", "resumes after its old rows"),
        with_endings=True,
    ),
}


def tried(file: Path, given: dict[str, list] | None = None, with_endings: bool = True) -> Adoption:
    definition = session.definition(file)
    program = programs.file(definition)
    return session.in_project(
        "adopt-programs", definition, Source(program), given or {}, LIMITS, with_endings
    )


OFTEN = ("yaml_defaults", "flags", "without_wandb", "crash")
"""The others, of which each takes a dozen starts of a program as well, are for `make test-all`."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in EXPECTED],
)
def test_what_is_found_out_about_a_program(name, server):
    expected = EXPECTED[name]
    found = tried(FOLDER / f"{name}.py", expected.given, expected.with_endings)
    said = [
        f"{'!' * observation.is_problem}{observation.sentence}"
        for observation in found.observations
    ]
    verdicts = {effect.parameter.name: effect.verdict for effect in found.effects}
    assert verdicts.items() >= expected.verdicts.items(), said
    for words in expected.words:
        begins = "!" * words.startswith("!")
        assert any(
            words.removeprefix("!") in sentence and sentence.startswith(begins) for sentence in said
        ), said
    assert found.is_ready != any(words.startswith("!") for words in expected.words), said
    if expected.verdicts:
        assert expected.form in found.definition["command"]
    assert bool(found.proposed) == bool(expected.verdicts)


@pytest.mark.slow
def test_nothing_is_found_in_the_kits_own_program(server, tmp_path):
    config = load("configs/sweep_config.yaml")
    config["parameters"] = {
        "learning_rate": {"values": [0.01, 0.001]},
        "optimizer": {"values": ["adam", "sgd"]},
        "scale": {"value": "tiny"},
        "model_name": {"value": "resnet18"},
        "num_epochs": {"value": 6},  # it still trains when the warning comes
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(config))
    found = tried(tmp_path / "sweep.yaml")
    assert found.is_ready, found.observations
    effects = {effect.parameter.name: effect for effect in found.effects}
    assert effects["learning_rate"].effective == 0.001
    assert effects["optimizer"].verdict == effects["learning_rate"].verdict == "used"
    said = " ".join(observation.sentence for observation in found.observations)
    assert "ends it with status 75" in said, found.observations
    assert "resumes after its old rows" in said


@pytest.mark.slow
def test_the_metric_of_a_sweep_is_looked_for(server, tmp_path):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "sweep.yaml").write_text(
        "program: argument_parser.py\nmethod: grid\nmetric: {name: val_loss, goal: minimize}\n"
        "parameters: {lr: {values: [0.1, 0.2]}, momentum: {value: 0.5}}\n"
    )
    found = tried(tmp_path / "sweep.yaml")
    (problem,) = [
        observation.sentence for observation in found.observations if observation.is_problem
    ]
    assert "judges by 'val_loss', which it never logged (did you mean 'val/loss'?)" in problem
    assert [effect.verdict for effect in found.effects] == ["used", "not tried"]


@pytest.mark.slow
def test_a_sweep_is_proposed_and_an_agent_does_a_run_of_it(server, tmp_path, capsys):
    for name in ("argument_parser.py", "training.py"):
        shutil.copy(FOLDER / name, tmp_path)
    # No trial is ended because it has logged enough, so it is known how long a run takes.
    assert cli.main(["adopt", str(tmp_path / "argument_parser.py"), *AS_OPTIONS]) == 0
    said = capsys.readouterr().out
    assert f"is started for real, in {tmp_path}:" in said
    assert "An agent has done one run of it." in said
    assert "-o time=00:05:00" in said
    config = load(tmp_path / "sweep.yaml")
    assert lint(config) == []
    assert config["metric"] == {"name": "val/loss", "goal": "minimize"}
    assert config["parameters"]["lr"]["distribution"] == "log_uniform_values"


def test_a_time_limit_is_ample():
    assert [session.time_limit(seconds) for seconds in (2, 400, 1000)] == [
        "00:05:00", "00:27:00", "01:07:00",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["lr", "lr=0.1", "=1,2", "lr=0.1,[", "lr=1,2,3"])
def test_two_values_are_read_or_refused(text):
    assert session.two_values("lr=0.1, 1e-3") == ("lr", [0.1, 0.001])
    with pytest.raises(WorkshopError, match="must name a parameter and two values"):
        session.two_values(text)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("{lr: [0.1, 0.01]}", "parameter 'lr' is [0.1, 0.01]: write value:, values: or min:"),
        ("{lr: 0.1}", "parameter 'lr' is 0.1: write value:"),
        ("{opt: {parameters: {name: adam}}}", "parameter 'opt.name' is 'adam': write value:"),
        ("{lr: {min: 0.1, max: 1.0}}", "parameter 'lr' has distribution uniform, which a grid"),
        ("[lr]", "parameters is ['lr']: it must map each parameter to its values"),
        ("", "parameters is None: it must map each parameter to its values"),
    ],
)
def test_parameters_that_cannot_be_searched_are_refused(parameters, words, tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(f"program: train.py\nmethod: grid\nparameters: {parameters}\n")
    with pytest.raises(WorkshopError, match=re.escape(f"sweep.yaml: {words}")):
        session.definition(file)


def test_the_sweep_of_the_trials_has_nothing_that_ends_them(monkeypatch):
    registered = []

    def create(config, _project):
        registered.append(config)
        raise WorkshopError("seen")

    monkeypatch.setattr(session.registration, "create", create)
    stopped = {"early_terminate": {"type": "hyperband", "min_iter": 1}}
    tried = load("configs/sweep_config_optuna.yaml") | stopped
    with pytest.raises(WorkshopError, match="seen"):
        session.try_out(tried, "adopt-programs")
    (config,) = registered
    assert list(search.problems(config)) == []
    assert config.keys() == {"program", "command", "method", "parameters"}
    assert config["command"] == tried["command"]


@pytest.mark.parametrize("section", ["scheduler", "controller"])
def test_no_agent_waits_for_a_search_that_runs_elsewhere(section, monkeypatch, capsys):
    monkeypatch.setattr(session.registration, "register", lambda *_: pytest.fail("registered"))
    session._prove({section: {"type": "local"}}, "adopt-programs")
    assert re.search(r"start `wandb [a-z-]+ SWEEP` beside the agents", capsys.readouterr().out)


def test_a_sweep_that_could_not_be_written_is_refused_before_a_trial(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(session.backends, "session", lambda _: pytest.fail("was started"))
    (tmp_path / "train.py").write_text("")
    output = str(tmp_path / "no" / "my.yaml")
    assert cli.main(["adopt", str(tmp_path / "train.py"), "--output", output]) == 2
    said = capsys.readouterr().err
    assert "my.yaml cannot be written (No such file or directory): give another file with" in said
    assert said.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["train.py"]


def test_a_proposed_sweep_that_cannot_be_written_is_printed(tmp_path, capsys):
    found = Adoption({}, proposed="method: random\n")
    with pytest.raises(WorkshopError, match=r"cannot be written \(No such file or directory\)"):
        session._sweep(found, {}, tmp_path / "no" / "my.yaml")
    assert "\nmethod: random\n" in capsys.readouterr().out


def test_an_interpreter_and_a_folder_are_named_in_the_command(tmp_path):
    (tmp_path / "train.py").write_text("")
    found = session.definition(tmp_path / "train.py", "/opt/venv/bin/python", tmp_path.parent)
    assert found["program"] == f"{tmp_path.name}/train.py"
    assert found["command"][:3] == ["${env}", f"--chdir={tmp_path.parent}", "/opt/venv/bin/python"]
