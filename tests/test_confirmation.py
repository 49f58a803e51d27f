import itertools

import pytest
import wandb

from workshop import analyze, cli, define
from workshop.analyze import confirmation
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents.local import run_in_process
from workshop.trainer.config import resolve

METRIC = "Validation Accuracy"
PROJECT = "naïve follow-ups"
"""Addresses escape its name."""

FIRST = define.load("configs/sweep_config.yaml") | {
    "metric": {"name": METRIC, "goal": "maximize", "target": 1000},
    "early_terminate": {"type": "hyperband", "min_iter": 3},
    "parameters": {
        "learning_rate": {"values": [0.01, 0.001]},
        "optimizer": {"values": ["adam", "sgd"]},
        "scale": {"value": "tiny"},
        "num_epochs": {"values": [9]},
    },
}
RESULTS = {(0.01, "adam"): 93, (0.01, "sgd"): 90, (0.001, "sgd"): 95}
LUCK = [4, 0, 1, 2, 3, 0]
"""Of each seed, in percent."""


def program():
    """Log what a training would have come to, as the trainer does."""
    with wandb.init(settings={"console": "off"}) as run:
        config = resolve(swept=dict(run.config))
        run.config.setdefaults(config.model_dump())
        result = RESULTS.get((config.learning_rate, config.optimizer), 10)
        run.log({METRIC: result + LUCK[config.seed]})


@pytest.fixture(scope="module")
def first(server):
    path = registration.register(FIRST, PROJECT)
    run_in_process(path, program=program)
    return path


@pytest.fixture(scope="module")
def follow_up(first):
    path = confirmation.confirm(first, top=2, seeds=2)
    run_in_process(path, program=program)
    return path


def test_best_points_run_with_every_new_seed_and_nothing_else(first, follow_up):
    assert follow_up.rsplit("/", 1)[0] == first.rsplit("/", 1)[0]
    runs = analyze.fetch_runs(follow_up)
    tried = set(zip(runs["learning_rate"], runs["optimizer"], runs["seed"], strict=True))
    points = [(0.001, "sgd"), (0.01, "adam")]
    assert tried == {(*point, seed) for point, seed in itertools.product(points, (1, 2))}
    assert len(runs) == 4
    assert (set(runs["scale"]), set(runs["num_epochs"])) == ({"tiny"}, {9})
    assert set(runs["state"]) == {"finished"}
    definition = runs.attrs["definition"]
    assert definition["metric"] == {"name": METRIC, "goal": "maximize"}
    assert "early_terminate" not in definition
    assert definition["command"] == FIRST["command"]
    assert first in definition["description"]


def test_points_of_both_sweeps_are_compared_by_their_names_in_the_first(first, follow_up):
    runs = analyze.fetch_runs(first)
    varied = analyze.hyperparameters(FIRST)
    chosen = analyze.rank_points(runs, METRIC, varied)
    confirmed = analyze.rank_points(analyze.fetch_runs(follow_up), METRIC, varied)
    assert list(chosen["mean"][:2]) == [99, 97]
    assert list(confirmed["mean"]) == [95.5, 93.5]
    assert list(confirmed["runs"]) == [2, 2]
    own = analyze.hyperparameters(registration.get(follow_up).config)
    assert list(own) == ["point.learning_rate", "point.optimizer", "seed"]


def test_seeds_are_never_used_twice(first, follow_up):
    assert confirmation.plan(first, seeds=2).seeds == [3, 4]
    with pytest.raises(WorkshopError, match=f"is itself a follow-up of {first}: confirm that"):
        confirmation.plan(follow_up)


def test_seeds_that_the_sweep_itself_varied_are_used(server):
    definition = FIRST | {
        "parameters": {
            "learning_rate": {"values": [0.01, 0.001]},
            "optimizer": {"value": "sgd"},
            "seed": {"values": [1, 3]},
        }
    }
    path = registration.register(definition, "seeded")
    run_in_process(path, count=2, program=program)
    planned = confirmation.plan(path, top=1, seeds=3)
    assert planned.seeds == [2, 4, 5]
    assert planned.definition["parameters"]["point"] == {"values": [{"learning_rate": 0.01}]}


def test_command_says_what_to_run(first, capsys):
    assert cli.main(["confirm", first, "--top", "1", "--seeds", "1"]) == 0
    page = capsys.readouterr().out
    path = registration.newest(PROJECT)
    assert f"1 point of {first}, each with the new seeds " in page
    assert "learning_rate 0.001, optimizer sgd: Validation Accuracy 99 in 1 run" in page
    assert f"wandb agent '{path}'\n" in page
    assert f"workshop submit '{path}'\n" in page


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"parameters": {"seed": {"values": [1, 2]}}}, "varies only seeds"),
        ({"command": ["python", __file__, "${args}"]}, "may not have the parameter point"),
        ({"parameters": {"learning_rate": {"values": [1, 2]}}}, "no run of sweep .* has finished"),
    ],
)
def test_sweep_without_points_is_refused_with_a_sentence(server, changes, expected):
    path = registration.register(FIRST | changes, "refused")
    with pytest.raises(WorkshopError, match=expected):
        confirmation.plan(path)


def test_numbers_below_one_are_refused(first):
    for options in ({"top": 0}, {"seeds": -1}):
        with pytest.raises(WorkshopError, match=r"must be at least 1, got"):
            confirmation.plan(first, **options)


def test_trainer_takes_the_parameters_of_a_point():
    """A dictionary from `wandb.config`; on the command line the text that an agent makes of it."""
    point = {"learning_rate": 1e-05, "pretrained": True, "batch_size": 8}
    for config in (resolve(swept={"point": point}), resolve({"point": str(point)})):
        assert (config.learning_rate, config.pretrained, config.batch_size) == (1e-05, True, 8)
    with pytest.raises(
        WorkshopError, match=r"the sweep: the trainer has no parameter learning_rates"
    ):
        resolve(swept={"point": {"learning_rates": 1}})
    for wrong in ("5", "[", 5):
        with pytest.raises(WorkshopError, match=r"point must be a mapping of parameters, got"):
            resolve({"point": wrong})
