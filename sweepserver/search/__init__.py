"""What a sweep is and what it tries next: pure functions of its configuration and its past.

A *point* is a dictionary from parameter to value; nested parameters make nested dictionaries.
The rules are those of W&B's own engine (https://github.com/wandb/sweeps), but for the Gaussian
process of `search.bayes`, which takes seconds and large libraries and is therefore not imported
here.
"""

import random
from collections.abc import Sequence

from sweepserver.search.checks import METHODS, check, problems
from sweepserver.search.distributions import (
    DISTRIBUTIONS,
    extremes,
    keys_of,
    quantile,
    step,
)
from sweepserver.search.grid import Grid, axis
from sweepserver.search.metric import DEFAULT_GOAL, GOALS
from sweepserver.search.parameter_checks import ON_A_GRID, parameter_problems
from sweepserver.search.parameters import SearchError, distribution, flatten
from sweepserver.search.past import Past, random_point
from sweepserver.search.points import MISSING, Trial, same
from sweepserver.search.scales import NULL, Scale, hyperparameters
from sweepserver.search.sections import SECTIONS, is_misplaced, warnings

__all__ = [
    "DEFAULT_GOAL",
    "DISTRIBUTIONS",
    "GOALS",
    "METHODS",
    "MISSING",
    "NULL",
    "ON_A_GRID",
    "SECTIONS",
    "Grid",
    "Past",
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
    "is_misplaced",
    "keys_of",
    "parameter_problems",
    "problems",
    "quantile",
    "random_point",
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
    return Past(config, trials).suggest(rng)


def is_exhausted(config: dict, trials: Sequence[Trial]) -> bool:
    """Return whether a sweep of any method has nothing left to try."""
    return Past(config, trials).is_exhausted


def expected_runs(config: dict) -> int | None:
    """Return how many runs a sweep without a past will have, None if it never ends by itself."""
    return remaining_runs(config, [])


def remaining_runs(config: dict, trials: Sequence[Trial]) -> int | None:
    """Return how many runs a sweep is still to have; see `Past.remaining`."""
    return Past(config, trials).remaining
