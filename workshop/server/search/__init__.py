"""What a sweep tries next: pure functions from a sweep's configuration and its past to a point.

A *point* is a dictionary from parameter to value; nested parameters make nested dictionaries.
The rules are those of W&B's own engine (https://github.com/wandb/sweeps), but for the Gaussian
process of `search.bayes`, which takes seconds and large libraries and is therefore not imported
here.
"""

import random

from workshop.server.metric import Metric
from workshop.server.search import grid
from workshop.server.search.checks import check
from workshop.server.search.distributions import sample
from workshop.server.search.parameters import SearchError, flatten
from workshop.server.search.points import Trial, nest

__all__ = [
    "SearchError",
    "Trial",
    "check",
    "expected_runs",
    "flatten",
    "is_exhausted",
    "suggest",
]


def suggest(config: dict, trials: list[Trial], rng: random.Random) -> dict | None:
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
    parameters = dict(flatten(config["parameters"]))
    if config["method"] == "grid":
        return grid.next_point(parameters, trials)
    return nest({path: sample(settings, rng) for path, settings in parameters.items()})


def is_exhausted(config: dict, trials: list[Trial]) -> bool:
    """Tell whether a sweep of any method has nothing left to try."""
    if is_done(config, trials):
        return True
    if config["method"] != "grid":
        return False
    return grid.next_point(dict(flatten(config["parameters"])), trials) is None


def is_done(config: dict, trials: list[Trial]) -> bool:
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
    """Return how many runs the sweep will have, None if it never ends by itself."""
    sizes = []
    if config.get("run_cap") is not None:
        sizes.append(config["run_cap"])
    if config["method"] == "grid" and config.get("parameters"):
        sizes.append(grid.size(dict(flatten(config["parameters"]))))
    return min(sizes, default=None)
