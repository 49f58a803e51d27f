"""Early termination: the same runs are stopped as by W&B's own engine."""

import math

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sweeps import RunState, SweepRun, stop_runs

from sweepserver import search
from sweepserver.search import hyperband

PARAMETERS = {"a": {"values": [1, 2]}}


def sweep(goal: str = "minimize", **settings) -> dict:
    return {
        "method": "random",
        "metric": {"name": "loss", "goal": goal},
        "parameters": PARAMETERS,
        "early_terminate": {"type": "hyperband", **settings},
    }


BRACKETS = st.one_of(
    st.fixed_dictionaries({"min_iter": st.integers(1, 6)}),
    st.fixed_dictionaries({"max_iter": st.integers(4, 40), "s": st.integers(1, 5)}),
)
# Few different values, so that some are equal to the threshold.
LOSSES = st.one_of(st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf]), st.floats(-2, 2))


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The bracket 2 * 2.7 * 2.7 = 14.58 is at 14.
@example({"min_iter": 2}, 2.7, True, "minimize", [(True, [0.0] * 13 + [2.0]), (False, [1.0] * 14)])
@given(
    brackets=BRACKETS,
    eta=st.sampled_from([1.5, 2, 2.7, 3, 4]),
    strict=st.booleans(),
    goal=st.sampled_from(["minimize", "maximize"]),
    runs=st.lists(st.tuples(st.booleans(), st.lists(LOSSES, max_size=30)), max_size=12),
)
def test_the_same_runs_are_stopped_as_by_the_engine_of_wandb(brackets, eta, strict, goal, runs):
    config = sweep(goal, **brackets, eta=eta, strict=strict)
    histories = {str(number): losses for number, (_, losses) in enumerate(runs)}
    live = {str(number) for number, (is_live, _) in enumerate(runs) if is_live}
    theirs = stop_runs(
        config,
        [
            SweepRun(
                name=name,
                state=RunState.running if name in live else RunState.finished,
                history=[{"loss": loss} for loss in losses],
            )
            for name, losses in histories.items()
        ],
    )
    search.check(config)
    assert hyperband.to_stop(config, histories, live) == {run.name for run in theirs}


def test_a_run_is_stopped_for_being_worse_than_the_best_third():
    histories = {"good": [3.0, 1.0], "middle": [3.0, 2.0], "bad": [3.0, 2.5], "young": [9.0]}
    everybody = set(histories)
    assert hyperband.to_stop(sweep(min_iter=2), histories, everybody) == {"bad"}
    assert hyperband.to_stop(sweep(min_iter=2), histories, {"good", "middle"}) == set()
    mirrored = {name: [-loss for loss in losses] for name, losses in histories.items()}
    assert hyperband.to_stop(sweep("maximize", min_iter=2), mirrored, everybody) == {"bad"}
    assert hyperband.to_stop(sweep(min_iter=3), histories, everybody) == set()


def test_strict_looks_at_the_value_in_the_bracket_and_is_off_by_default():
    histories = {"recovered": [1.0, 9.0, 9.0], "a": [2.0, 2.0], "b": [2.0, 2.0]}
    assert hyperband.to_stop(sweep(min_iter=2), histories, {"recovered"}) == set()
    strict = sweep(min_iter=2, strict=True)
    assert hyperband.to_stop(strict, histories, {"recovered"}) == {"recovered"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("hyperband", "early_terminate is 'hyperband'"),
        ({"type": "median", "min_iter": 3}, "type: hyperband, such as"),
        ({"type": "hyperband"}, "needs min_iter, or max_iter and s"),
        ({"type": "hyperband", "max_iter": 27}, "needs min_iter, or max_iter and s"),
        ({"type": "hyperband", "min_iter": 1, "max_iter": 27}, "max_iter needs s"),
        ({"type": "hyperband", "max_iter": 2, "s": 1}, "max_iter 2, which is less than eta 3"),
        ({"type": "hyperband", "min_iter": 0}, "min_iter 0"),
        ({"type": "hyperband", "min_iter": 2.5}, "min_iter 2.5"),
        ({"type": "hyperband", "min_iter": True}, "min_iter True"),
        ({"type": "hyperband", "max_iter": 27, "s": 101}, "at most 100"),
        ({"type": "hyperband", "min_iter": 2, "eta": 1}, "eta 1: it must be a number above 1"),
        ({"type": "hyperband", "min_iter": 2, "eta": "3"}, "eta '3'"),
        ({"type": "hyperband", "min_iter": 2, "strict": 1}, "strict 1"),
        ({"type": "hyperband", "min_iters": 2}, "has the key 'min_iters', which is not known (did"),
    ],
)
def test_settings_without_sense_are_refused_with_a_sentence(settings, expected):
    with pytest.raises(search.SearchError) as caught:
        search.check(sweep() | {"early_terminate": settings})
    assert expected in str(caught.value)
    assert str(caught.value).endswith(".")


def test_it_needs_a_metric():
    config = sweep(min_iter=2)
    del config["metric"]
    with pytest.raises(search.SearchError, match="early_terminate must know which runs are worse"):
        search.check(config)
