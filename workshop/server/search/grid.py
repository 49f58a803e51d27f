"""Grid search, in W&B's order: parameters alphabetically, the last one running fastest."""

import itertools
import math

from workshop.server.search.distributions import step
from workshop.server.search.parameters import distribution
from workshop.server.search.points import Trial, key, nest, same


def next_point(parameters: dict[tuple, dict], trials: list[Trial]) -> dict | None:
    """Return the first point of the grid that was not tried.

    Args:
        parameters: Path and settings of each parameter, in order.
        trials: What was tried so far.
    """
    axes = [{same(value): value for value in axis(settings)} for settings in parameters.values()]
    tried = {key(trial.point, parameters) for trial in trials}
    for keys in itertools.product(*axes):
        if keys not in tried:
            values = (values[key] for values, key in zip(axes, keys, strict=True))
            return nest(dict(zip(parameters, values, strict=True)))
    return None


def size(parameters: dict[tuple, dict]) -> int:
    """Return how many points the grid has."""
    return math.prod(len({same(value) for value in axis(s)}) for s in parameters.values())


def axis(settings: dict) -> list:
    """Return the values that a grid takes of one parameter."""
    kind = distribution(settings)
    if kind == "constant":
        return [settings["value"]]
    if kind == "int_uniform":
        return list(range(settings["min"], settings["max"] + 1))
    if kind == "q_uniform":
        q = step(settings)
        steps = math.ceil((settings["max"] - settings["min"]) / q)
        return [settings["min"] + i * q for i in range(steps)]
    return settings["values"]
