"""Every distribution of W&B's documentation: its shape by scipy, its values by W&B's own engine."""

import json
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from scipy import stats
from sweeps.params import HyperParameter

from sweepserver import search
from sweepserver.search.axes import axis_of
from sweepserver.search.distributions import DISTRIBUTIONS, sample
from sweepserver.search.parameter_checks import keys_of
from sweepserver.search.parameters import distribution

SETTINGS = [
    {"value": [1, {"x": 2}]},
    {"values": [3, "a", None, [1, 2]]},
    {"values": ["a", "b", "c"], "probabilities": [0.6, 0.1, 0.3]},
    {"min": -3, "max": 5},
    {"min": -1.5, "max": 2},
    {"distribution": "uniform", "min": 1, "max": 3},
    {"distribution": "q_uniform", "min": 0.1, "max": 3, "q": 0.25},
    {"distribution": "q_uniform", "min": 8, "max": 63, "q": 8},
    {"distribution": "log_uniform", "min": -9, "max": 0.5},
    {"distribution": "q_log_uniform", "min": 0, "max": 5, "q": 3},
    {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
    {"distribution": "q_log_uniform_values", "min": 16, "max": 500, "q": 16},
    {"distribution": "q_log_uniform_values", "min": 0.1, "max": 5, "q": 0.5},
    {"distribution": "inv_log_uniform", "min": -1, "max": 4},
    {"distribution": "inv_log_uniform_values", "min": 1e-3, "max": 10},
    {"distribution": "normal"},
    {"distribution": "normal", "mu": 3, "sigma": 0.1},
    {"distribution": "q_normal", "mu": 50, "sigma": 20, "q": 5},
    {"distribution": "log_normal"},
    {"distribution": "log_normal", "mu": -5, "sigma": 0.5},
    {"distribution": "q_log_normal", "mu": 3, "sigma": 0.8, "q": 4},
    {"distribution": "beta"},
    {"distribution": "beta", "a": 2, "b": 5.5},
    {"distribution": "q_beta", "a": 0.5, "b": 0.5, "q": 0.1},
]
IDS = [parameter.get("distribution", str(number)) for number, parameter in enumerate(SETTINGS)]
each = pytest.mark.parametrize("parameter", SETTINGS, ids=IDS)


class Fixed(random.Random):
    """Draws the same number between 0 and 1 again and again."""

    def __init__(self, number: float):
        super().__init__()
        self.number = number

    def random(self) -> float:
        return self.number

    def randint(self, low: int, high: int) -> int:
        return low + int(self.number * (high - low + 1))

    def betavariate(self, a: float, b: float) -> float:
        return float(stats.beta.ppf(self.number, a, b))


def test_all_documented_distributions_are_known():
    tested = {distribution(parameter) for parameter in SETTINGS}
    assert tested == set(DISTRIBUTIONS)


@each
def test_a_value_is_the_one_that_the_engine_of_wandb_draws(parameter):
    theirs = HyperParameter("a", parameter)
    for number in np.linspace(0.003, 0.997, 101):
        expected = theirs.ppf(number)
        value = sample(parameter, Fixed(number))
        if isinstance(expected, (float, np.floating)):
            assert value == pytest.approx(float(expected), rel=1e-9)
        else:
            assert value == expected
            assert isinstance(value, int) == isinstance(expected, (int, np.integer))


@each
def test_drawn_values_have_the_shape(parameter):
    kind = distribution(parameter)
    rng = random.Random(5)
    drawn = [sample(parameter, rng) for _ in range(2000)]
    if kind in ("constant", "categorical"):
        seen = [drawn.count(value) for value in parameter.get("values", [parameter.get("value")])]
        assert stats.chisquare(seen).pvalue > 0.01 or len(seen) == 1
    elif kind == "categorical_w_probabilities":
        seen = [drawn.count(value) for value in parameter["values"]]
        assert stats.chisquare(seen, np.multiply(parameter["probabilities"], 2000)).pvalue > 0.01
    elif kind == "int_uniform":
        assert stats.chisquare(np.unique(drawn, return_counts=True)[1]).pvalue > 0.01
    elif kind.startswith("q_"):
        q = parameter["q"]
        steps = [value / q for value in drawn]
        assert steps == pytest.approx([round(step) for step in steps])
        smooth = HyperParameter("a", parameter)
        for edge in np.unique(np.round(steps)) + 0.5:  # what rounds to at most this step
            share = np.mean(np.array(steps) < edge)
            assert share == pytest.approx(smooth.cdf(max(edge * q, 1e-9)), abs=0.035)
    else:
        assert stats.kstest(drawn, HyperParameter("a", parameter).cdf).pvalue > 0.01


@each
def test_bayes_finds_the_place_of_every_value(parameter):
    axis = axis_of(parameter)
    if axis is None:
        assert "value" in parameter
        return
    rng = random.Random(1)
    for _ in range(200):
        value = sample(parameter, rng)
        place = axis.coordinate(value)
        assert axis.distribution._contains(axis.distribution.to_internal_repr(place))
        again = axis.value(place)
        assert again == (pytest.approx(value, rel=1e-3) if isinstance(value, float) else value)
    assert axis.coordinate("elsewhere") is None


@pytest.mark.parametrize(
    ("parameter", "outside"),
    [({"min": 1, "max": 4}, 5), ({"min": 0.5, "max": 1.0}, 0.4), ({"values": [1, 2]}, 3)],
)
def test_bayes_has_no_place_for_what_lies_outside(parameter, outside):
    assert axis_of(parameter).coordinate(outside) is None


@pytest.mark.parametrize(
    "parameter",
    [
        *SETTINGS,
        {},
        {"min": 1},
        {"value": 1, "values": [1]},
        {"values": 1},
        {"values": []},
        {"values": [1, 2], "min": 0},
        {"values": [1, 2], "distribution": "categorical", "probabilities": [0.5, 0.5]},
        {"values": [1, 2], "probabilities": [-0.5, 1.5]},
        {"distribution": "categorical_w_probabilities", "values": [1, 2]},
        {"distribution": "int_uniform", "min": 1.5, "max": 3},
        {"distribution": "int_uniform", "min": 1, "max": 3, "q": 2},
        {"distribution": "uniform", "min": "1e-3", "max": 3},
        {"distribution": "uniform", "min": True, "max": 3},
        {"distribution": "uniform", "min": 3, "max": 3},
        {"distribution": "log_uniform_values", "min": 0, "max": 1},
        {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0},
        {"distribution": "normal", "min": 0, "max": 1},
        {"distribution": "normal", "sigma": -1},
        {"distribution": "beta", "a": -1},
        {"distribution": "beta", "mu": 1},
        {"distribution": "gaussian"},
    ],
    ids=str,
)
def test_settings_are_accepted_where_the_engine_of_wandb_accepts_them(parameter):
    try:
        HyperParameter("a", parameter)
        theirs = True
    except Exception:
        theirs = False
    try:
        search.check({"method": "random", "parameters": {"a": parameter}})
        ours = True
    except search.SearchError:
        ours = False
    assert ours == theirs


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ({"distribution": "log_uniform", "min": 1, "max": 1000}, "exponents of e"),
        ({"distribution": "log_uniform", "min": -1000, "max": 1}, "exponents of e"),
        ({"distribution": "log_normal", "sigma": 200}, "too large or too small"),
        ({"distribution": "uniform", "min": 0, "max": float("inf")}, "max inf"),
        ({"distribution": "uniform", "min": 0, "max": 10**400}, "max 1000"),
        ({"distribution": "uniform", "min": float("nan"), "max": 1}, "min nan"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 1e-300}, "q 1e-300"),
        ({"distribution": "q_beta", "q": 1e-300}, "q 1e-300"),
        ({"distribution": "normal", "sigma": 0}, "sigma 0"),
        ({"value": {1, 2}}, "put it in quotes"),
        ({"values": [b"x"]}, "put it in quotes"),
    ],
)
def test_what_no_number_or_text_can_tell_is_refused(parameter, expected):
    with pytest.raises(search.SearchError) as caught:
        search.check({"method": "random", "parameters": {"a": parameter}})
    assert expected in str(caught.value)


NUMBERS = st.one_of(
    st.integers(-3, 5),
    st.floats(-10, 10),
    st.floats(),
    st.sampled_from([10**400, 2**53, 1e300, 1e-300, 5e-324, 700, -700]),
)
ANYTHING = st.one_of(NUMBERS, st.sampled_from([None, True, "", "1e-3", b"x", [], [0.5, 0.5], {}]))
LISTS = st.lists(ANYTHING, max_size=3)


@st.composite
def any_settings(draw) -> dict:
    kind = draw(st.sampled_from(DISTRIBUTIONS))
    needed, optional = keys_of(kind)
    keys = [*needed, *(key for key in optional if draw(st.booleans()))]
    values = LISTS if kind.startswith("categorical") else st.one_of(NUMBERS, NUMBERS, ANYTHING)
    return {"distribution": kind} | {key: draw(values) for key in keys}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    parameter=any_settings(),
    method=st.sampled_from(["grid", "random", "bayes"]),
    seed=st.integers(0, 9),
)
def test_whatever_is_accepted_can_be_drawn_and_told(parameter, method, seed):
    config = {"method": method, "parameters": {"a": parameter}, "metric": {"name": "loss"}}
    try:
        search.check(config)
    except search.SearchError:
        return
    search.expected_runs(config)
    axis = axis_of(parameter) if method == "bayes" else None
    if axis is not None:
        values = [axis.value(place) for place in ends(axis)]
        assert None not in map(axis.coordinate, values)
    else:
        config["method"] = method.replace("bayes", "random")
        values = [search.suggest(config, [], random.Random(seed))["a"]]
    json.dumps(values)


def ends(axis) -> list:
    distribution = axis.distribution
    if isinstance(distribution, CategoricalDistribution):
        return [distribution.choices[0], distribution.choices[-1]]
    return [distribution.low, distribution.high]
