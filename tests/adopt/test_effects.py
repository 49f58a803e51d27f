"""What differs between trials: results by themselves, without a program."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from workshop.adopt import adoption, endings, parameters, proposal, report
from workshop.adopt.effects import effect
from workshop.adopt.findings import Adoption
from workshop.adopt.metrics import judges, logged
from workshop.adopt.parameters import Parameter
from workshop.adopt.source import Option, Source
from workshop.adopt.trials import Logged, Trial
from workshop.define import command

LR = Parameter(("lr",), 0.1, 0.05)


def trial(*rows: dict, status: int | None = 0, optimizer=(), output="") -> Trial:
    found = Logged("finished", {}, rows, rows[-1] if rows else {}, began=0.0)
    return Trial({}, "run", status, 1.0, output, found, frozenset(), optimizer)


def losses(*values: float, **more: object) -> Trial:
    return trial(*({"loss": value} | more for value in values))


@pytest.mark.parametrize(
    ("changed", "first", "second", "verdict"),
    [
        (losses(1, 2), losses(1, 3), losses(1, 3), "used"),
        (losses(1, 3), losses(1, 3), losses(1, 3), "ignored"),
        (losses(1, lr=0.05), losses(1, lr=0.1), losses(1, lr=0.1), "ignored"),
        (losses(1, lr=0.2), losses(1, lr=0.1), losses(1, lr=0.1), "used"),
        (losses(1, seconds=9), losses(1, seconds=1), losses(1, seconds=1.1), "ignored"),
        (losses(1.1), losses(1), losses(1.2), "unclear"),
        (losses(9), losses(1), losses(1.2), "used"),
        (losses(9, 9), losses(1, 5), losses(1.2, 8), "unclear"),
        (losses(math.nan), losses(math.nan), losses(math.nan), "ignored"),
        (losses(1), losses(1, 2), losses(1, 2), "used"),
        (losses(1, 2), losses(1), losses(1), "used"),
        (replace(losses(1, 2), status=None), losses(1), losses(1), "ignored"),
        (losses(1, 2), replace(losses(1), status=None), losses(1), "ignored"),
        (losses(1, grad=3), losses(1), losses(1), "used"),
        (trial(status=2, output="error: bad\n"), losses(1), losses(1), "refused"),
        (trial(status=None), losses(1), losses(1), "unclear"),
        (losses(1), losses(1), trial(status=None), "unclear"),
    ],
)
def test_a_parameter_is_judged_by_what_follows_it(changed, first, second, verdict):
    assert effect(LR, changed, first, second).verdict == verdict


def test_an_optimizer_tells_where_results_are_random():
    groups = [trial({"loss": loss}, optimizer=[{"lr": lr}]) for loss, lr in ((1, 0.05), (2, 0.1))]
    found = effect(LR, groups[0], groups[1], losses(5))
    assert (found.verdict, found.effective) == ("used", 0.05)


@pytest.mark.parametrize(
    ("value", "other"),
    [(True, False), (8, 4), (1, 2), (0, 1), (0.5, 0.25), (0.0, 0.1), ("a", None)],
)
def test_another_value_is_of_the_same_kind(value, other):
    assert parameters.another("x", value) == other


def test_parameters_are_options_and_what_the_config_has_beside_them():
    options = [
        Option("learning-rate", 0.1),
        Option("kind", "a", ("a", "b")),
        Option("out_dir", "x"),
    ]
    config = {"learning_rate": 0.1, "kind": "a", "epochs": 5, "model": {"depth": 3}, "dir": "x"}
    found = {one.name: (one.default, one.other) for one in parameters.found(options, config)}
    assert found == {
        "learning-rate": (0.1, 0.05),
        "kind": ("a", "b"),
        "epochs": (5, 1),
        "model.depth": (3, 4),
    }
    turned = dict(reversed(config.items()))
    assert [one.name for one in parameters.found(options, turned)] == [*found]
    paths = {one.path for one in parameters.found(options, config, is_dotted=True)}
    assert ("model.depth",) in paths


def test_lines_that_read_a_value_from_elsewhere_are_found(tmp_path):
    file = tmp_path / "train.py"
    file.write_text(
        "import wandb\nrun = wandb.init()\nconfig = run.config\nconfig.lr\nwandb.config['lr']\n"
        "SETTINGS['lr']\nargs.lr = 3\nfit(rate=args.lr)\n"
    )
    assert Source(file).readers("lr") == [(6, "SETTINGS['lr']"), (8, "fit(rate=args.lr)")]


def test_metrics_are_ordered_by_how_well_they_judge():
    row = {"epoch": 1, "train_loss": 2, "val/acc": 0.5, "note": "x"}
    found = logged(trial(row, row))
    assert [metric.name for metric in found] == ["val/acc", "train_loss", "epoch"]
    assert [metric.goal for metric in judges(found)] == ["maximize", "minimize"]


def test_a_proposed_sweep_is_one_that_can_be_searched(tmp_path):
    (tmp_path / "train.py").write_text("")
    given = {("lr",): 0.1, ("model", "depth"): 3, ("model", "wide"): True, ("epochs",): 5}
    base, other = losses(1), losses(2)
    effects = [
        effect(Parameter(path, value, parameters.another(path[-1], value)), other, base, base)
        for path, value in given.items()
    ]
    words = ["${env}", f"--chdir={tmp_path}", "${interpreter}", "${program}", "${args}"]
    net = effect(Parameter(("model", "net"), "a (b), c"), other, base, base)
    text = proposal.text(
        tmp_path / "train.py", words, judges(logged(base))[0], [*effects, net], [*given]
    )
    config = yaml.safe_load(text)
    assert not list(command.problems(config))
    assert config["parameters"] == {
        "lr": {"distribution": "log_uniform_values", "min": 0.01, "max": 1.0},
        "model": {
            "parameters": {"depth": {"values": [1, 3, 6]}, "wide": {"values": [True, False]}}
        },
        "epochs": {"value": 5},
    }
    table = report.as_text(Adoption({}, effects=effects)).splitlines()
    assert table[1].split() == ["parameter", "usual", "requested", "effective", "verdict"]
    assert table[2].split() == ["lr", "0.1", "0.05", "-", "used"]


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (Parameter(("x",), "adam", "sgd"), ["adam", "sgd"]),
        (Parameter(("x",), None, 0.1), [None, 0.1]),
        (Parameter(("x",), False, True), [False, True]),
        (Parameter(("x",), [64], [64, 64], ([64, 64], [64], [32])), [[64], [64, 64], [32]]),
        (Parameter(("x",), {"lr": 1}, {"lr": 2}), [{"lr": 1}, {"lr": 2}]),
        (Parameter(("x",), 16, 32, (8, 16, 32)), [16, 32, 8]),
    ],
)
def test_values_of_any_kind_are_proposed_each_once(parameter, values):
    found = effect(parameter, losses(2), losses(1), losses(1))
    text = proposal.text(Path("train.py"), [], None, [found], [parameter.path])
    assert yaml.safe_load(text)["parameters"] == {"x": {"values": values}}


def test_a_parameter_of_which_two_values_are_given_keeps_its_path_and_choices():
    known = [LR, Parameter(("model.depth",), 2, 1, (1, 2, 4)), Parameter(("net",), "a")]
    chosen = [Parameter(("model", "depth"), 4, 2), Parameter(("size",), 8, 9)]
    assert adoption._merged(known, chosen) == [
        LR,
        Parameter(("net",), "a"),
        Parameter(("model.depth",), 4, 2, (1, 2, 4)),
        Parameter(("size",), 8, 9),
    ]


def rows(count: int, **more) -> Trial:
    return replace(losses(*range(count)), **more)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (rows(4, logged=replace(rows(4).logged, began=0.5)), "logs over its old rows"),
        (rows(6), "starts over after them"),
        (losses(0, 1, 0), "starts over after them"),
        (rows(4, status=1), "can't be started again"),
        (rows(4), "resumes after its old rows"),
        (rows(2), "resumes after its old rows"),
    ],
)
def test_a_second_start_of_a_run_is_told_by_its_rows(second, words):
    assert words in endings._resumed(rows(2), second, whole=rows(4)).sentence


@pytest.mark.parametrize(
    ("epoch", "words"), [(0, "starts over after them"), (2, "resumes after its old rows")]
)
def test_where_results_are_random_a_second_start_is_told_by_the_epoch(epoch, words):
    whole = trial(*({"loss": loss, "epoch": epoch} for epoch, loss in enumerate((5.5, 4.5, 3.5))))
    cut = trial(*({"loss": loss, "epoch": epoch} for epoch, loss in enumerate((5.4, 4.4))))
    second = trial(*cut.logged.rows, {"loss": 3.3, "epoch": epoch})
    assert words in endings._resumed(cut, second, whole).sentence


@pytest.mark.parametrize("sent", [endings.WARNING, endings.TERMINATION])
@pytest.mark.parametrize(
    ("status", "words", "is_problem"),
    [
        (75, "status 75: its run can resume later", False),
        (None, "changes nothing: it runs on until it's killed, and what it", False),
        ("killed", "kills it at once", False),
        (1, "ends it with status 1, and what it hasn't saved is lost: ", False),
        (0, "would count as finished", True),
    ],
)
def test_what_a_signal_does_is_told_by_the_status(sent, status, words, is_problem):
    status = -sent.signal if status == "killed" else status
    found = endings._borne(rows(2, status=status), sent)
    assert found.sentence.startswith(sent.name)
    assert words in found.sentence
    assert found.is_problem == is_problem
