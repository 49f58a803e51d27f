"""Grid search, in W&B's order: parameters alphabetically, the last one running fastest."""

import itertools
import math
from collections.abc import Iterable, Iterator

from workshop.server.search.distributions import step
from workshop.server.search.parameters import distribution
from workshop.server.search.points import MISSING, Trial, at, nest, same


def next_point(parameters: dict[tuple, dict], trials: list[Trial]) -> dict | None:
    """Return the first point of the grid that was not tried.

    Args:
        parameters: Path and settings of each parameter, in order.
        trials: What was tried so far.
    """
    values = {
        path: settings["value"] for path, settings in parameters.items() if is_fixed(settings)
    }
    axes = {
        path: {same(value): value for value in axis(settings)}
        for path, settings in parameters.items()
        if path not in values
    }
    names = {path: names_within(choices.values()) for path, choices in axes.items()}
    tried = {tuple(keys_of(trial.point, names)) for trial in trials}
    for keys in itertools.product(*axes.values()):
        if keys not in tried:
            values |= {path: axes[path][key] for path, key in zip(axes, keys, strict=True)}
            return nest({path: values[path] for path in parameters})
    return None


def is_fixed(settings: dict) -> bool:
    """Tell whether a parameter is constant; W&B does not look at its value in earlier runs."""
    return distribution(settings) == "constant"


def names_within(values: Iterable) -> set[str]:
    """Return the keys of those values that are dictionaries."""
    return {name for value in values if isinstance(value, dict) for name in value}


def keys_of(point: dict, names: dict[tuple, set[str]]) -> Iterator[str]:
    """Yield what places a point on each axis of the grid, where it has a value for it.

    Args:
        point: The point.
        names: For each path, the keys of the grid's values that are dictionaries.  Other keys do
            not count: a program may have added them.
    """
    for path, known in names.items():
        value = at(point, path)
        if known and isinstance(value, dict):
            value = {name: part for name, part in value.items() if name in known}
        if value is not MISSING:
            yield same(value)


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
        steps = max(1, math.ceil((settings["max"] - low) / q))
        return [low + i * spacing for i in range(steps)]
    return settings["values"]
