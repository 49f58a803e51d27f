"""Bayesian search: it learns, it does not repeat itself, and it keeps to the distributions."""

import functools
import json
import math
import random
from collections.abc import Callable, Iterator

import pytest

from sweepserver import search
from sweepserver.scheduling.compute import Compute
from sweepserver.search import Trial, bayes

Suggest = Callable[[dict, list[Trial], int], dict]


def sweep(parameters: dict, goal: str = "minimize") -> dict:
    config = {
        "method": "bayes",
        "metric": {"name": "loss", "goal": goal},
        "parameters": parameters,
    }
    search.check(config)
    return config


MIXED = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
    "batch": {"distribution": "q_uniform", "min": 16, "max": 128, "q": 16},
    "net": {"parameters": {"dropout": {"min": 0.0, "max": 0.9}, "depth": {"min": 1, "max": 9}}},
    "optimizer": {"values": ["sgd", "adam"]},
    "epochs": {"value": 5},
}


def loss(point: dict) -> float:
    """A valley that is deepest at lr 0.005, batch 64, dropout 0.2, depth 4, adam."""
    return (
        0.3 * (math.log10(point["lr"]) + 2.3) ** 2
        + (point["batch"] / 128 - 0.5) ** 2
        + (point["net"]["dropout"] - 0.2) ** 2
        + ((point["net"]["depth"] - 4) / 9) ** 2
        + 0.2 * (point["optimizer"] == "sgd")
    )


@pytest.fixture(scope="module")
def compute() -> Iterator[Compute]:
    """The process that computes for a server as well, with one thread."""
    compute = Compute()
    yield compute
    compute.close()


@pytest.fixture
def suggest(compute: Compute) -> Suggest:
    return functools.partial(compute.run, "sweepserver.search.bayes:suggest")


def search_on(config: dict, value_of, runs: int, seed: int, suggest: Suggest) -> list[Trial]:
    trials = []
    for number in range(runs):
        point = suggest(config, trials, 1000 * seed + number)
        trials.append(Trial(point, value_of(point), is_live=False))
    return trials


def random_best(config: dict, runs: int, seed: int) -> float:
    rng = random.Random(seed)
    points = [search.suggest(config | {"method": "random"}, [], rng) for _ in range(runs)]
    return min(map(loss, points))


def test_it_finds_better_points_than_random_search(suggest):
    config = sweep(MIXED)
    searches = [search_on(config, loss, 25, seed, suggest) for seed in range(3)]
    best = [min(trial.value for trial in trials) for trials in searches]
    chance = [random_best(config, 25, seed) for seed in range(3)]
    assert sum(best) < sum(chance) / 2


def test_it_maximizes_where_that_is_the_goal(suggest):
    config = sweep({"x": {"min": 0.0, "max": 1.0}}, "maximize")
    trials = search_on(config, lambda point: -((point["x"] - 0.7) ** 2), 12, 0, suggest)
    assert max(trial.value for trial in trials) > -1e-4


@pytest.mark.parametrize("disaster", [1e6, 1e200, None], ids=str)
def test_runs_that_diverge_or_fail_do_not_blind_it(disaster, suggest):
    def value_of(point):
        return disaster if point["lr"] > 0.1 else loss(point)

    config = sweep(MIXED)
    trials = search_on(config, value_of, 20, 3, suggest)
    lost = [trial.value == disaster for trial in trials]
    assert sum(lost[: bayes.STARTUP_RESULTS + 3]) > 0
    assert sum(lost[-8:]) <= 2
    assert min(trial.value for trial in trials if trial.value is not None) < 0.2


def test_no_loss_is_so_large_that_all_others_look_equal():
    ended = [({}, loss) for loss in (1.0, 2.0, 3.0, 4.0, 1e6, 1e300, None)]
    tamed = bayes.tamed(ended, [loss for _, loss in ended if loss is not None])
    limit = 3.5 + bayes.FARTHEST * 2.5
    assert [loss for _, loss in tamed] == [1, 2, 3, 4, limit, limit, limit]
    assert [loss for _, loss in bayes.tamed([({}, 1.0), ({}, None)], [1.0])] == [1, 1]


def test_losses_that_cannot_be_squared_are_borne(suggest):
    config = sweep({"x": {"min": 0.0, "max": 1.0}})
    for sign in (1, -1):
        trials = search_on(config, lambda point, s=sign: s * 1e308 * point["x"], 8, 0, suggest)
        assert len({trial.point["x"] for trial in trials}) == 8


def test_the_best_point_is_not_suggested_again(suggest):
    config = sweep({"x": {"min": 0.0, "max": 1.0}})
    points = [trial.point["x"] for trial in search_on(config, lambda p: p["x"], 12, 0, suggest)]
    assert 0.0 in points
    assert len(set(points)) == 12


def test_agents_side_by_side_get_different_points_that_are_far_apart(suggest):
    config = sweep({"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}})
    rng = random.Random(0)
    ended = [{"x": rng.random(), "y": rng.random()} for _ in range(12)]
    trials = [Trial(p, (p["x"] - 0.3) ** 2 + (p["y"] - 0.6) ** 2, is_live=False) for p in ended]
    live = []
    for number in range(6):
        live.append(suggest(config, trials, number))
        trials.append(Trial(live[-1], None, is_live=True))
    distances = [math.dist(a.values(), b.values()) for a in live for b in live if a is not b]
    assert min(distances) > 0.01


@pytest.mark.parametrize("is_live", [True, False])
def test_every_point_of_a_finite_space_is_tried_before_one_is_repeated(is_live, suggest):
    config = sweep({"a": {"values": [1, 2.0, [3], {"b": 4}]}, "k": {"min": 1, "max": 3}})
    trials = []
    for number in range(14):
        point = suggest(config, trials, number)
        value = None if is_live else float(point["k"])
        trials.append(Trial(json.loads(json.dumps(point)), value, is_live))
    seen = [json.dumps(trial.point) for trial in trials]
    assert len(set(seen[:12])) == 12
    assert set(seen[12:]) <= set(seen[:12])


def test_failed_points_are_not_suggested_again(suggest):
    config = sweep({"a": {"values": [1, 2, 3]}, "b": {"min": 0.0, "max": 1.0}})
    trials = search_on(config, lambda _: None, 12, 0, suggest)
    assert len({json.dumps(trial.point) for trial in trials}) == 12


def test_probabilities_of_zero_are_kept_to(suggest):
    config = sweep({"a": {"values": [1, 2, 3], "probabilities": [0.5, 0.5, 0]}})
    trials = search_on(config, lambda point: -point["a"], 8, 0, suggest)
    assert {trial.point["a"] for trial in trials} == {1, 2}


def test_values_stay_within_their_distributions(suggest):
    config = sweep(
        {
            "int": {"min": -2, "max": 2},
            "long": {"min": 0, "max": 10**9},
            "exponent": {"distribution": "log_uniform", "min": -3, "max": -1},
            "inverse": {"distribution": "inv_log_uniform_values", "min": 0.01, "max": 0.1},
            "steps": {"distribution": "q_log_uniform_values", "min": 0.1, "max": 100, "q": 5},
            "normal": {"distribution": "normal", "mu": 10},
            "tail": {"distribution": "log_normal", "mu": 2, "sigma": 3},
            "beta": {"distribution": "beta", "a": 2, "b": 3},
        }
    )
    # The best points lie at the ends, where rounding could lead outside.
    for sign in (1, -1):
        value_of = lambda point, sign=sign: sign * sum(math.atan(v) for v in point.values())  # noqa: E731
        for trial in search_on(config, value_of, 12, 0, suggest):
            point = trial.point
            assert point["int"] in range(-2, 3)
            assert isinstance(point["int"], int)
            assert isinstance(point["long"], int)
            assert 0 <= point["long"] <= 10**9
            assert math.exp(-3) <= point["exponent"] <= math.exp(-1)
            assert 0.01 <= point["inverse"] <= 0.1
            assert point["steps"] in range(0, 101, 5)
            assert 0 < point["normal"] < 20
            assert 0 < point["tail"] < math.exp(2 + 3 * 9)
            assert 0 <= point["beta"] <= 1


def test_earlier_runs_with_other_parameters_do_no_harm(suggest):
    config = sweep({"x": {"min": 0.0, "max": 1.0}, "a": {"values": [1, 2]}})
    strange = [{}, {"x": "fast", "a": 1}, {"x": 7.0, "a": 1}, {"x": None, "a": 9}, {"x": True}]
    trials = [Trial(point, 0.0, is_live=False) for point in strange]
    trials += [Trial({"x": i / 9, "a": 1, "more": [1]}, i / 9, is_live=False) for i in range(8)]
    assert 0 <= suggest(config, trials, 0)["x"] <= 1


def test_many_trials_are_thinned_to_the_best_and_the_newest():
    ended = [({"number": number}, float(number % 100)) for number in range(1000)]
    kept = bayes.most_telling(ended)
    assert len(kept) == bayes.MOST_ENDED_TRIALS
    assert {loss for _, loss in kept[: bayes.MOST_ENDED_TRIALS // 2]} == set(map(float, range(15)))
    assert ended[-1] in kept
    assert len({place["number"] for place, _ in kept}) == bayes.MOST_ENDED_TRIALS


def test_the_same_is_suggested_again_in_silence(suggest, capfd):
    config = sweep(MIXED)
    trials = search_on(config, loss, bayes.STARTUP_RESULTS + 3, 0, suggest)
    live = Trial(trials.pop().point, None, is_live=True)
    assert suggest(config, [*trials, live], 1) == suggest(config, [*trials, live], 1)
    assert suggest(config, [*trials, live], 1) != suggest(config, [*trials, live], 2)
    assert capfd.readouterr() == ("", "")
