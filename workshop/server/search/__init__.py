"""What a sweep is and what it tries next: pure functions of its configuration and its past.

A *point* is a dictionary from parameter to value; nested parameters make nested dictionaries.
The rules are those of W&B's own engine (https://github.com/wandb/sweeps), but for the Gaussian
process of `search.bayes`, which takes seconds and large libraries and is therefore not imported
here.
"""

import random
from collections.abc import Sequence

from workshop.server.metric import Metric
from workshop.server.search.checks import GOALS, METHODS, check, problems
from workshop.server.search.distributions import (
    DISTRIBUTIONS,
    extremes,
    keys_of,
    quantile,
    sample,
    step,
)
from workshop.server.search.grid import Grid, axis
from workshop.server.search.parameter_checks import ON_A_GRID, parameter_problems
from workshop.server.search.parameters import SearchError, distribution, flatten
from workshop.server.search.points import MISSING, Trial, nest, same
from workshop.server.search.scales import NULL, Scale, hyperparameters
from workshop.server.search.sections import SECTIONS, warnings

__all__ = [
    "DISTRIBUTIONS",
    "GOALS",
    "METHODS",
    "MISSING",
    "NULL",
    "ON_A_GRID",
    "SECTIONS",
    "Grid",
    "Scale",
    "SearchError",
    "Trial",
    "axis",
    "check",
    "distribution",
    "expected_runs",
    "extremes",
    "flatten",
    "hyperparameters",
    "is_exhausted",
    "keys_of",
    "parameter_problems",
    "problems",
    "quantile",
    "remaining_runs",
    "same",
    "step",
    "suggest",
    "warnings",
]


def suggest(config: dict, trials: Sequence[Trial], rng: random.Random) -> dict | None:
    """Return the next point of a grid or random sweep.

    Args:
        config: The sweep's configuration, which `check` has passed.
        trials: What was tried so far, failed runs included.
        rng: The source of randomness for random search.

    Returns:
        The point, or None if nothing is left to try.
    """
    if is_done(config, trials):
        return None
    if config["method"] == "grid":
        return next(Grid(config).untried(trials), None)
    return nest({path: sample(settings, rng) for path, settings in flatten(config["parameters"])})


def is_exhausted(config: dict, trials: Sequence[Trial]) -> bool:
    """Tell whether a sweep of any method has nothing left to try."""
    if is_done(config, trials):
        return True
    return config["method"] == "grid" and next(Grid(config).untried(trials), None) is None


def is_done(config: dict, trials: Sequence[Trial]) -> bool:
    """Tell whether a sweep has had its `run_cap` of runs, or one that reached `metric.target`."""
    cap = config.get("run_cap")
    if cap is not None and len(trials) >= cap:
        return True
    metric = Metric.of(config)
    target = metric and config["metric"].get("target")
    if target is None:
        return False
    sign = metric.sign
    return any(trial.value is not None and sign * trial.value <= sign * target for trial in trials)


def expected_runs(config: dict) -> int | None:
    """Return how many runs a sweep without a past will have, None if it never ends by itself."""
    return remaining_runs(config, [])


def remaining_runs(config: dict, trials: Sequence[Trial]) -> int | None:
    """Return how many runs a sweep is still to have, None if it never ends by itself.

    A grid lacks the points that nothing tried, whatever else was; a `run_cap` counts every run.
    """
    if is_done(config, trials):
        return 0
    limits = []
    if config.get("run_cap") is not None:
        limits.append(config["run_cap"] - len(trials))
    if config["method"] == "grid" and config.get("parameters"):
        limits.append(Grid(config).remaining(trials))
    return min(limits, default=None)
