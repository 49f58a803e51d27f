"""Grid search, in W&B's order: parameters alphabetically, the last one running fastest."""

import itertools
import math
from collections.abc import Iterable

from workshop.server.search.distributions import step
from workshop.server.search.parameters import distribution
from workshop.server.search.points import MISSING, Trial, at, nest, same


def next_point(parameters: dict[tuple, dict], trials: list[Trial]) -> dict | None:
    """Return the first point of the grid that was not tried.

    Args:
        parameters: Path and settings of each parameter, in order.
        trials: What was tried so far.
    """
    axes = [{same(value): value for value in axis(settings)} for settings in parameters.values()]
    names = [names_within(values.values()) for values in axes]
    tried = set()
    for trial in trials:
        values = [at(trial.point, path) for path in parameters]
        if MISSING not in values:
            tried.add(tuple(same(only(*pair)) for pair in zip(values, names, strict=True)))
    for keys in itertools.product(*axes):
        if keys not in tried:
            values = (values[key] for values, key in zip(axes, keys, strict=True))
            return nest(dict(zip(parameters, values, strict=True)))
    return None


def names_within(values: Iterable) -> set[str]:
    """Return the keys of those values that are dictionaries."""
    return {name for value in values if isinstance(value, dict) for name in value}


def only(value: object, names: set[str]) -> object:
    """Return a value without keys that no value of the grid has: a program may have added them."""
    if names and isinstance(value, dict):
        return {name: part for name, part in value.items() if name in names}
    return value


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
        low, q = settings["min"], step(settings)
        spacing = low + q - low  # not always q: so numpy's arange reckons, which W&B uses
        return [low + i * spacing for i in range(math.ceil((settings["max"] - low) / q))]
    return settings["values"]
