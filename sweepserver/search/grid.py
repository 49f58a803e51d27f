"""Grid search, in W&B's order: parameters alphabetically, the last one running fastest."""

import itertools
import math
from collections.abc import Iterable, Iterator

from sweepserver.search.distributions import step
from sweepserver.search.parameters import distribution, flatten
from sweepserver.search.points import MISSING, Trial, at, nest, same

Path = tuple[str, ...]


class Grid:
    """The points of a grid search.

    Args:
        config: The sweep's configuration, which `check` has passed.

    Attributes:
        axes: The values of each parameter by its path, in order, each once; constants have one.
    """

    def __init__(self, config: dict):
        parameters = dict(flatten(config["parameters"]))
        keyed = {
            path: {same(value): value for value in axis(settings)}
            for path, settings in parameters.items()
        }
        self.axes: dict[Path, list] = {path: [*values.values()] for path, values in keyed.items()}
        # W&B does not look at the value of a constant in earlier runs.
        self._varied = {
            path: keyed[path]
            for path, settings in parameters.items()
            if distribution(settings) != "constant"
        }
        self._names = {path: names_within(values.values()) for path, values in self._varied.items()}
        self._numbers = [
            {key: number for number, key in enumerate(values)} for values in self._varied.values()
        ]

    @property
    def size(self) -> int:
        """How many points the grid has."""
        return math.prod(map(len, self.axes.values()))

    def remaining(self, trials: Iterable[Trial]) -> int:
        """Return how many points were not tried so far."""
        return self.size - len(self._tried(trials))

    def __contains__(self, point: dict) -> bool:
        """Return whether a point is one of the grid."""
        return self.index(point) is not None

    def index(self, point: dict) -> int | None:
        """Return a point's index on the grid; None if it isn't on it."""
        place = self.place(point)
        if len(place) != len(self._numbers):
            return None
        index = 0
        for key, numbers in zip(place, self._numbers, strict=True):
            if key not in numbers:
                return None
            index = index * len(numbers) + numbers[key]
        return index

    def point(self, index: int) -> dict:
        """Return the point of the grid that has an index."""
        chosen = {path: axis[0] for path, axis in self.axes.items()}
        for path, values in reversed(self._varied.items()):
            index, number = divmod(index, len(values))
            chosen[path] = self.axes[path][number]
        return nest(chosen)

    def place(self, point: dict) -> tuple[str, ...]:
        """Return a key that is equal for what the search takes as one point of the grid.

        It is shorter than those of the grid's own points if the point lacks a parameter.
        """
        return tuple(keys_of(point, self._names))

    def untried(self, trials: Iterable[Trial]) -> Iterator[dict]:
        """Yield the points that were not tried so far, in order."""
        tried = self._tried(trials)
        indices = itertools.takewhile(lambda index: index < self.size, itertools.count())
        return (self.point(index) for index in indices if index not in tried)

    def _tried(self, trials: Iterable[Trial]) -> set[int]:
        return {index for trial in trials if (index := self.index(trial.point)) is not None}


def names_within(values: Iterable) -> set[str]:
    """Return the keys of those values that are dictionaries."""
    return {name for value in values if isinstance(value, dict) for name in value}


def keys_of(point: dict, names: dict[Path, set[str]]) -> Iterator[str]:
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
