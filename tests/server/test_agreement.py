"""Server, kit and W&B's own engine agree on what a sweep is, over random definitions."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import next_run
from sweeps.config.cfg import schema_violations_from_proposed_config
from sweeps.grid_search import grid_search_next_runs, yaml_hash

from sweepserver import search
from tests.fixtures.campaigns import rounds
from workshop.define import definition
from workshop.define.linter import lint

NUMBERS = st.sampled_from([-2, -0.5, 0, 0.25, 1, 1.0, 3, 4.5, "1e-3", None, True])
ENDS = st.sampled_from([0, 0.0, 0.5, 1, 1.0, 2, 4.5])
SCALARS = st.sampled_from([0, 1, 1.0, 2.5, True, "1", "sgd", None])
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.just("k"), SCALARS)
LISTS = st.lists(VALUES, min_size=1, max_size=3)
RANGES = st.fixed_dictionaries({"min": ENDS, "max": ENDS})
# W&B's schema advises against those that take exponents, and lists the advice as a violation.
DRAWN = st.sampled_from(
    [kind for kind in search.DISTRIBUTIONS if "uniform" in kind and "log_uniform" not in kind]
    + [kind for kind in search.DISTRIBUTIONS if kind.endswith("log_uniform_values")]
)
SENSIBLE = st.one_of(
    st.fixed_dictionaries({"value": VALUES}),
    st.fixed_dictionaries({"values": LISTS}),
    RANGES,
    st.builds(lambda ends, kind: ends | {"distribution": kind}, RANGES, DRAWN),
    st.builds(
        lambda ends, q: ends | {"distribution": "q_uniform", "q": q},
        RANGES,
        st.sampled_from([0.25, 0.3, 1, 2]),
    ),
)
ANYTHING = st.dictionaries(st.sampled_from(["value", "values", "min", "max", "q", "mu"]), NUMBERS)
# W&B's engine takes a standard deviation of 0, of which nothing can be drawn here.
NORMAL = st.fixed_dictionaries(
    {"distribution": st.sampled_from(["normal", "q_normal", "log_normal", "q_log_normal"])},
    optional={"mu": ENDS, "sigma": st.sampled_from([-1, 0.5, 2]), "q": st.sampled_from([-1, 0.5])},
)
LEAVES = SENSIBLE | ANYTHING | NORMAL
PARAMETERS = st.dictionaries(
    st.sampled_from(["a", "b", "C"]),
    LEAVES | st.builds(lambda leaf: {"parameters": {"x": leaf, "y": {"value": 1}}}, LEAVES),
    min_size=1,
    max_size=3,
)
DEFINITIONS = st.fixed_dictionaries(
    {"method": st.sampled_from(["grid", "random"]), "parameters": PARAMETERS},
    optional={
        "metric": st.sampled_from([{"name": "loss"}, {"name": "acc", "goal": "maximize"}]),
        "run_cap": st.sampled_from([1, 3, 0]),
    },
)


def can_be_searched(config: dict) -> bool:
    """Tell whether W&B's schema takes a configuration and its engine finds a first point."""
    if schema_violations_from_proposed_config(config):
        return False
    try:
        next_run(config, [])
    except Exception:  # of numpy, of jsonschema, of its own
        return False
    return True


@settings(max_examples=rounds(2000), deadline=None)
@given(DEFINITIONS)
def test_what_is_valid_and_what_a_grid_consists_of(config):
    problems = list(search.problems(config))
    assert (problems == []) == can_be_searched(config), problems
    assert set(problems) <= set(lint(config))
    if problems or config["method"] != "grid":
        return
    runs = grid_search_next_runs([], config, n=10_000)
    grid = search.Grid(config)
    theirs = [
        grid.place({name: item["value"] for name, item in run.config.items()})
        for run in runs
        if run is not None
    ]
    assert [grid.place(point) for point in grid.untried([])] == theirs
    assert grid.size == len(theirs)
    assert len(definition.preview(config)) == len(theirs)
    assert definition.combinations(config) == min(len(theirs), config.get("run_cap", math.inf))


@settings(max_examples=rounds(2000), deadline=None)
@given(VALUES, VALUES)
def test_which_values_are_one(one, other):
    assert (search.same(one) == search.same(other)) == (yaml_hash(one) == yaml_hash(other))
