import random

import pytest

from workshop.server import search
from workshop.server.search.distributions import sample


def grid(parameters: dict, **more) -> dict:
    return {"method": "grid", "parameters": parameters, **more}


def ended(*points: dict) -> list[search.Trial]:
    return [search.Trial(point, None, is_live=False) for point in points]


def all_points(config: dict) -> list[dict]:
    points = []
    while (point := search.suggest(config, ended(*points), random.Random(1))) is not None:
        assert not search.is_exhausted(config, ended(*points))
        points.append(point)
    assert search.is_exhausted(config, ended(*points))
    return points


def test_grid_takes_every_combination_once_with_the_last_parameter_fastest():
    config = grid({"b": {"values": [1, 2]}, "a": {"values": ["x", "y"]}, "c": {"value": 7}})
    assert all_points(config) == [
        {"a": "x", "b": 1, "c": 7},
        {"a": "x", "b": 2, "c": 7},
        {"a": "y", "b": 1, "c": 7},
        {"a": "y", "b": 2, "c": 7},
    ]
    assert search.expected_runs(config) == 4


def test_grid_lists_whole_and_quantized_ranges():
    config = grid(
        {
            "a": {"min": 1, "max": 2},
            "b": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.5},
        }
    )
    assert [tuple(point.values()) for point in all_points(config)] == [
        (1, 0), (1, 0.5), (2, 0), (2, 0.5),
    ]  # fmt: skip


def test_grid_takes_3_and_3_point_0_as_one_value():
    config = grid({"a": {"values": [3, 3.0, 4]}})
    assert search.expected_runs(config) == 2
    assert search.suggest(config, ended({"a": 3.0}), random.Random()) == {"a": 4}


def test_grid_keeps_true_and_1_apart():
    assert search.expected_runs(grid({"a": {"values": [1, True, "1"]}})) == 3


def test_grid_fills_holes_before_it_goes_on():
    config = grid({"a": {"values": [1, 2, 3]}})
    assert search.suggest(config, ended({"a": 1}, {"a": 3}), random.Random()) == {"a": 2}


def test_nested_parameters_make_nested_points():
    config = grid(
        {"opt": {"parameters": {"name": {"values": ["sgd", "adam"]}, "lr": {"value": 0.1}}}}
    )
    assert all_points(config) == [
        {"opt": {"lr": 0.1, "name": "sgd"}},
        {"opt": {"lr": 0.1, "name": "adam"}},
    ]


def test_values_may_be_dictionaries_and_lists():
    config = grid({"a": {"values": [{"x": 1}, {"x": 2}, [1, 2]]}})
    assert all_points(config) == [{"a": {"x": 1}}, {"a": {"x": 2}}, {"a": [1, 2]}]


def test_run_cap_ends_a_search():
    assert len(all_points(grid({"a": {"values": [1, 2, 3]}}, run_cap=2))) == 2
    config = {"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}, "run_cap": 5}
    assert len(all_points(config)) == 5
    assert search.expected_runs(config) == 5


def test_random_search_never_ends_by_itself():
    config = {"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}}
    assert search.expected_runs(config) is None


@pytest.mark.parametrize(
    ("settings", "low", "high"),
    [
        ({"min": 2.0, "max": 3.0}, 2, 3),
        ({"min": 2, "max": 4}, 2, 4),
        ({"distribution": "q_uniform", "min": 0.0, "max": 10.0, "q": 2}, 0, 10),
        ({"distribution": "log_uniform", "min": -2.0, "max": 0.0}, 0.135, 1),
        ({"distribution": "log_uniform_values", "min": 0.01, "max": 1.0}, 0.01, 1),
        ({"distribution": "q_log_uniform_values", "min": 8, "max": 64, "q": 8}, 8, 64),
        ({"distribution": "inv_log_uniform", "min": 0.0, "max": 2.0}, 0.135, 1),
        ({"distribution": "inv_log_uniform_values", "min": 0.01, "max": 1.0}, 0.01, 1),
        ({"distribution": "normal", "mu": 5.0, "sigma": 0.1}, 4, 6),
        ({"distribution": "q_normal", "mu": 50, "sigma": 5, "q": 10}, 0, 100),
        ({"distribution": "log_normal", "mu": 0.0, "sigma": 0.1}, 0.5, 2),
        ({"distribution": "beta", "a": 2, "b": 2}, 0, 1),
        ({"distribution": "constant", "value": 3}, 3, 3),
    ],
)  # fmt: skip
def test_each_distribution_stays_in_its_range(settings, low, high):
    search.check({"method": "random", "parameters": {"a": settings}})
    rng = random.Random(0)
    drawn = [sample(settings, rng) for _ in range(300)]
    assert all(low <= value <= high for value in drawn)
    if "q" in settings:
        assert all(value % settings["q"] == 0 for value in drawn)
    if low < high:
        assert len(set(drawn)) > 2


def test_log_uniform_values_spreads_over_the_decades():
    rng = random.Random(0)
    settings = {"distribution": "log_uniform_values", "min": 0.0001, "max": 1.0}
    small = sum(sample(settings, rng) < 0.01 for _ in range(1000))
    assert 430 < small < 570


def test_probabilities_weigh_the_values():
    rng = random.Random(0)
    settings = {"values": ["a", "b"], "probabilities": [0.9, 0.1]}
    assert 850 < sum(sample(settings, rng) == "a" for _ in range(1000)) < 950


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ([], "must be a mapping"),
        ({"method": "gird", "parameters": {"a": {"value": 1}}}, "method is 'gird'"),
        ({"method": "bayes", "parameters": {"a": {"values": [1, 2]}}}, "add a metric"),
        ({"method": "grid"}, "parameters must map"),
        (grid({"a": {"values": [1]}}, early_terminate={"type": "hyperband"}), "add a metric"),
        (grid({"a": {"values": [1]}}, controller="local"), "controller is 'local'"),
        (grid({"a": {"values": [1]}}, run_cap=0), "run_cap is 0"),
        (grid({"a": [1, 2]}), "Parameter a is [1, 2]"),
        (grid({"a": {"values": 1}}), "values 1, but must have a list"),
        (grid({"a": {"values": []}}), "values [], but must have a list"),
        (grid({"a": {}}), "Parameter a needs value"),
        (grid({"o": {"parameters": {"a": {}}}}), "Parameter o.a needs value"),
        (grid({"a": {"min": 0.1, "max": 1.0}}), "which a grid cannot list"),
        (grid({"a": {"values": [1], "probabilities": [1]}}), "which a grid cannot list"),
        (grid({"a": {"distribution": "unifrom"}}), "distribution 'unifrom', expected one of"),
        (grid({"a": {"min": 2, "max": 1}}), "min 2, which is not less than max 1"),
        (grid({"a": {"min": "1e-3", "max": 1}}), "min '1e-3', but it must be a finite number"),
        (grid({"a": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}}), "q 0"),
        (grid({"a": {"min": 1, "max": 10**9}}), "more than 10000 values on a grid"),
        ({"method": "random", "parameters": {"a": {"distribution": "beta", "a": 0}}}, "a 0, but"),
        (
            {"method": "random", "parameters": {"a": {"values": [1, 2], "probabilities": [1]}}},
            "as many probabilities",
        ),
        (
            {
                "method": "random",
                "parameters": {"a": {"distribution": "log_uniform_values", "min": 0, "max": 1}},
            },
            "needs it above 0",
        ),
    ],
)
def test_a_configuration_that_cannot_be_searched_is_refused_with_a_sentence(config, expected):
    with pytest.raises(search.SearchError) as caught:
        search.check(config)
    assert expected in str(caught.value)
    assert str(caught.value).endswith(".")
