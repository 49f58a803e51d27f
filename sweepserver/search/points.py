"""The points that a sweep tries, and when two of them are the same."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MISSING = object()
ENCODER = json.JSONEncoder(sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class Trial:
    """A point that a sweep has tried or tries.

    Attributes:
        point: The value of each parameter; more keys do no harm.
        value: The run's value of the sweep's metric, None if it has none.
        is_live: Whether the run is still to end.
    """

    point: dict
    value: float | None
    is_live: bool


def nest(values: Mapping[tuple[str, ...], object]) -> dict:
    """Return {("a", "b"): 1} as {"a": {"b": 1}}."""
    point: dict = {}
    for path, value in values.items():
        level = point
        for name in path[:-1]:
            level = level.setdefault(name, {})
        level[path[-1]] = value
    return point


def at(point: object, path: tuple[str, ...]) -> object:
    """Return a point's value at a path, `MISSING` where it has none."""
    for name in path:
        point = point.get(name, MISSING) if isinstance(point, dict) else MISSING
    return point


def key(point: dict, paths: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return a key that equal points of a sweep share, None if a value is missing."""
    values = [at(point, path) for path in paths]
    return None if MISSING in values else tuple(map(same, values))


def same(value: object) -> str:
    """Return a text that equal values of a sweep share, such as 3 and 3.0.

    Within lists and mappings, 3 and 3.0 are two, as W&B's engine has it.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return repr(value) if type(value) in (int, float) else ENCODER.encode(value)
