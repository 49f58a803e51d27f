import random

import pytest
from sweeps import SweepRun, next_run

from sweepserver import search

LOSS = {"name": "loss"}
WANDB = {"engine": "wandb"}
HYPERBAND = {"type": "hyperband", "min_iter": 2}
ENDLESS = {}
ENDLESS["a"] = {"parameters": ENDLESS}


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


@pytest.mark.parametrize(
    "parameters",
    [
        {"b": {"values": [2, 1]}, "a": {"values": ["x", "y", "z"]}, "c": {"value": 7}},
        {"B": {"values": [1, 2]}, "a": {"values": [1, 2]}, "_c": {"values": [1, 2]}},
        {"a": {"values": [3, 3.0, 4, "3", True, 1, None]}},
        {"a": {"values": [{"x": 1}, {"y": 1}, [1, 2], [2, 1]]}, "b": {"min": -1, "max": 1}},
        {"q": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1}},
        {"q": {"distribution": "q_uniform", "min": 0.1, "max": 1.0, "q": 0.3}},
        {"q": {"distribution": "q_uniform", "min": 1, "max": 8}, "a": {"values": [1]}},
        {
            "o": {"parameters": {"b": {"values": [1, 2]}, "a": {"min": 1, "max": 2}}},
            "n": {"value": 0},
        },
        {"o": {"parameters": {"p": {"parameters": {"x": {"values": [1, 2]}}}, "y": {"value": 1}}}},
    ],
    ids=str,
)
def test_a_grid_has_the_points_of_the_engine_of_wandb_in_its_order(parameters):
    config = grid(parameters)
    runs = []
    while (run := next_run(config, runs)) is not None:
        runs.append(run)
    theirs = [{name: item["value"] for name, item in run.config.items()} for run in runs]
    assert all_points(config) == theirs
    assert list(map(str, all_points(config))) == list(map(str, theirs)) or "q" in parameters
    assert search.expected_runs(config) == len(theirs)


def test_earlier_runs_count_as_the_engine_of_wandb_counts_them():
    config = grid(
        {"a": {"values": [{"x": 1}, {"x": 2}]}, "b": {"values": [None, 1]}, "c": {"value": 5}}
    )
    earlier = [
        {"a": {"x": 1, "injected": 7}, "b": None, "more": 1},  # c is constant: not looked at
        {"a": {"x": 1}, "c": 5},  # b is not known, which is not None
    ]
    runs = [
        SweepRun(config={name: {"value": value} for name, value in point.items()})
        for point in earlier
    ]
    theirs = {name: item["value"] for name, item in next_run(config, runs).config.items()}
    assert search.suggest(config, ended(*earlier), random.Random()) == theirs
    assert theirs == {"a": {"x": 1}, "b": 1, "c": 5}


def test_run_cap_ends_a_search():
    assert len(all_points(grid({"a": {"values": [1, 2, 3]}}, run_cap=2))) == 2
    config = {"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}, "run_cap": 5}
    assert len(all_points(config)) == 5
    assert search.expected_runs(config) == 5


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_every_method_ends_at_its_cap_or_its_target(method):
    parameters = {"a": {"values": list(range(9))}}
    config = {"method": method, "parameters": parameters, "metric": {"name": "loss"}}
    trials = [search.Trial({"a": 0}, 0.5, False), search.Trial({"a": 1}, None, True)]
    assert not search.is_exhausted(config, trials)
    assert not search.is_exhausted(config | {"run_cap": 3}, trials)
    assert search.is_exhausted(config | {"run_cap": 2}, trials)
    for goal, target, reached in [
        ("minimize", 0.5, True),
        ("minimize", 0.4, False),
        ("maximize", 0.5, True),
        ("maximize", 0.6, False),
    ]:
        metric = {"name": "loss", "goal": goal, "target": target}
        assert search.is_exhausted(config | {"metric": metric}, trials) == reached


def test_random_search_never_ends_by_itself():
    config = {"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}}
    assert search.expected_runs(config) is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ([], "must be a mapping"),
        ({"method": "gird", "parameters": {"a": {"value": 1}}}, "method is 'gird'"),
        (
            {"method": "bayes", "parameters": {"a": {"values": [1, 2]}}},
            "section 'metric' is missing",
        ),
        ({"method": "grid"}, "it must map each parameter"),
        (grid({"a": {"values": [1]}}, controller="local"), "controller is 'local'"),
        (grid({"a": {"values": [1]}}, controller={"type": "lokal"}), "must be {type: local}"),
        (grid({"a": {"values": [1]}}, scheduler={"engine": "own"}), "one of wandb, optuna, ax"),
        (grid({"a": {"values": [1]}}, scheduler={"engine": "ax"}), "'grid': it must be custom"),
        (
            grid({"a": {"values": [1]}}, scheduler=WANDB, controller={"type": "local"}),
            "scheduler and controller cannot be used together",
        ),
        (
            {"method": "custom", "parameters": {"a": {"value": 1}}},
            "'custom', which needs a scheduler or",
        ),
        ({"method": "bayes", "parameters": {"a": {"value": 1}}, "metric": LOSS}, "more than one"),
        (grid({"a": {"values": [1]}}, metric="loss"), "metric is 'loss': it must be a mapping"),
        (grid({"a": {"values": [1]}}, metric={"goal": "minimize"}), "such as {name: loss"),
        (
            grid({"a": {"values": [1]}}, metric=LOSS | {"goal": "max"}),
            "goal is 'max': it must be one of min",
        ),
        (grid({"a": {"values": [1]}}, metric=LOSS | {"target": "0"}), "target is '0'"),
        (grid({"a": {"values": [1]}}, run_cap=0), "run_cap is 0"),
        (grid({"a": {"values": [1]}}, run_cap=True), "run_cap is True"),
        (grid({True: {"values": [1]}}), "parameter True has a name that isn't text"),
        (grid({"o": {"parameters": {1: {"value": 2}}}}), "parameter 1 has a name that isn't text"),
        (grid(ENDLESS), "more than 20 levels"),
        (grid({"o": {"parameters": {}}}), "parameter 'o' has no value"),
        (
            grid({"o": {"parameters": {"a": {"value": 1}}, "value": 2}}),
            "has the key 'parameters', but",
        ),
        (grid({"a": [1, 2]}), "parameter 'a' is [1, 2]"),
        (grid({"a": {"values": 1}}), "values: 1, which isn't a list"),
        (grid({"a": {"values": []}}), "values: [], an empty list"),
        (grid({"a": {}}), "parameter 'a' has no value"),
        (grid({"o": {"parameters": {"a": {}}}}), "parameter 'o.a' has no value"),
        (grid({"a": {"min": 0.1, "max": 1.0}}), "which a grid cannot enumerate"),
        (grid({"a": {"values": [1], "probabilities": [1]}}), "which a grid cannot enumerate"),
        (
            grid({"a": {"distribution": "unifrom"}}),
            "distribution 'unifrom', which is not known (did you mean",
        ),
        (grid({"a": {"min": 2, "max": 1}}), "has min 2 and max 1: min must be"),
        (grid({"a": {"min": "1e-3", "max": 1}}), "min '1e-3': it must be a finite number"),
        (grid({"a": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}}), "q 0"),
        (grid({"a": {"min": 1, "max": 10**9}}), "more than 10000 values on a grid"),
        (
            grid({f"p{i}": {"min": 1, "max": 9999} for i in range(11)}),
            "more than 100,000 values together on a grid",
        ),
        (grid({"a": {"values": [1]}}, metric=LOSS | {"name": "a." * 300}), "600 characters"),
        (
            {"method": "random", "parameters": {"a": {"distribution": "beta", "a": 0}}},
            "has a 0: it must be",
        ),
        (
            {"method": "random", "parameters": {"a": {"values": [1, 2], "probabilities": [1]}}},
            "a number for each of its 2 values",
        ),
        (
            {
                "method": "random",
                "parameters": {"a": {"distribution": "log_uniform_values", "min": 0, "max": 1}},
            },
            "min 0: it must be above 0",
        ),
    ],
)
def test_a_configuration_that_cannot_be_searched_is_refused_with_a_sentence(config, expected):
    with pytest.raises(search.SearchError) as caught:
        search.check(config)
    assert expected in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "config",
    [
        {"method": "custom", "scheduler": {"engine": "optuna", "search_space": "f"}},
        {"method": "custom", "scheduler": {"engine": "ax"}, "parameters": {"a": {"value": 1}}},
        grid({"a": {"values": [1]}}, scheduler=WANDB),
        grid({"a": {"values": [1]}}, scheduler=WANDB, early_terminate=HYPERBAND),
        grid({"a": {"values": [1]}}, controller={"type": "local"}),
        grid({"a": {"values": [1]}}, controller={"type": "cloud"}, scheduler=None),
        {
            "method": "custom",
            "controller": {"type": "local"},
            "parameters": {"a": {"min": 1, "max": 2}},
            "early_terminate": {"type": "custom"},
        },
        grid({"a": {"values": [1]}}, metric=LOSS, early_terminate=HYPERBAND),
        {"method": "bayes", "metric": LOSS, "parameters": {"a": {"distribution": "normal"}}},
    ],
    ids=str,
)
def test_sweeps_that_are_searched_here_or_elsewhere_are_accepted(config):
    search.check(config)
    assert search.expected_runs(config) in (None, 1)


GIVEN = {"parameters": {"a": {"value": 1}}}


@pytest.mark.parametrize(
    ("scheduler", "more", "expected"),
    [
        (
            {"engine": "optuna", "search_spaces": "f"},
            GIVEN,
            "'search_spaces', which is not known (did",
        ),
        ({"engine": "optuna", "search_space": "f"}, {}, "search_space, but no source"),
        ({"engine": "wandb", "optimizer": "f"}, GIVEN, "optimizer, which engine wandb ignores"),
        ({"engine": "optuna"}, {}, "parameters is missing, and the scheduler has no search_space"),
        (
            {"engine": "optuna", "search_space": "f", "source": "s.py"},
            GIVEN,
            "parameters are ignored",
        ),
    ],
)
def test_settings_of_a_scheduler_without_effect_are_warned_of(scheduler, more, expected):
    (warning,) = search.warnings({"method": "custom", "scheduler": scheduler} | more)
    assert expected in warning


def test_a_scheduler_with_a_search_space_needs_no_parameters():
    scheduler = {"engine": "optuna", "source": "s.py", "search_space": "f", "optimizer": "g"}
    assert list(search.warnings({"method": "custom", "scheduler": scheduler})) == []
