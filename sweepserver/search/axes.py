"""The dimensions that the Gaussian process sees, one for each parameter that varies.

Each translates between a parameter's values and *coordinates*, the values of one of Optuna's
distributions.  The others of W&B's distributions are stretched over the numbers between 0 and 1 by
their quantile function.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.special import betainc

from sweepserver.search.distributions import normal, quantile, shape, step
from sweepserver.search.parameters import distribution, is_number
from sweepserver.search.points import same

TAIL_QUANTILE = 0.001  # unbounded distributions are searched between this quantile and its mirror
MOST_STEPS = 1000  # Optuna lists each, so a longer range is searched as a continuous one
SIGNIFICANT_DIGITS = 6  # of a suggested value: more make no difference to a run
RELATIVE_SLACK = 1e-9  # of a range's length, for rounding

# The mass below a value, of the distributions that are stretched.
MASSES: dict[str, Callable[[dict, float], float]] = {
    "normal": lambda s, x: normal(s).cdf(x),
    "log_normal": lambda s, x: normal(s).cdf(math.log(x)) if x > 0 else 0.0,
    "beta": lambda s, x: float(betainc(*shape(s), min(max(x, 0.0), 1.0))),
}


class Axis(Protocol):
    """What all dimensions have."""

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's, of the coordinates."""

    def value(self, coordinate: Any) -> object:
        """Return the parameter's value at a coordinate."""

    def coordinate(self, value: object) -> object | None:
        """Return the coordinate of a value, None if the axis does not reach it."""

    def values(self) -> Iterable | None:
        """Return all values, None if they cannot be counted."""


class Choice:
    """Values without an order; coordinates are their indices."""

    def __init__(self, values: list):
        self._values = list({same(value): value for value in values}.values())
        self._indices = {same(value): index for index, value in enumerate(self._values)}
        self.distribution = CategoricalDistribution(range(len(self._values)))

    def value(self, coordinate: int) -> object:
        """Return the value at an index."""
        return self._values[coordinate]

    def coordinate(self, value: object) -> int | None:
        """Return the index of a value."""
        return self._indices.get(same(value))

    def values(self) -> list:
        """Return all values."""
        return self._values


class Span:
    """All numbers between two."""

    def __init__(self, low: float, high: float, is_log: bool):
        self.distribution = FloatDistribution(low, high, log=is_log)

    def value(self, coordinate: float) -> float:
        """Return the coordinate, which is the value but for some digits."""
        low, high = self.distribution.low, self.distribution.high
        return min(max(rounded(coordinate), low), high)

    def coordinate(self, value: object) -> float | None:
        """Return the value, corrected for rounding."""
        low, high = self.distribution.low, self.distribution.high
        slack = RELATIVE_SLACK * (high - low)
        if not is_number(value) or not low - slack <= value <= high + slack:
            return None
        return float(min(max(value, low), high))

    def values(self) -> None:
        """Return None: there are infinitely many."""


class Steps:
    """The multiples of `q` between two numbers; coordinates are the factors."""

    def __init__(self, low: float, high: float, q: float, is_log: bool):
        self._q = q
        self._first, self._last = round(low / q), round(high / q)
        kind = IntDistribution if self._last - self._first < MOST_STEPS else FloatDistribution
        self.distribution = kind(self._first, self._last, log=is_log and self._first > 0)

    def value(self, coordinate: float) -> float:
        """Return a multiple of `q`."""
        return round(coordinate) * self._q

    def coordinate(self, value: object) -> int | None:
        """Return the factor of a value."""
        if not is_number(value):
            return None
        factor = round(value / self._q)
        return factor if self._first <= factor <= self._last else None

    def values(self) -> Iterator[float]:
        """Return the multiples, one after the other."""
        return (factor * self._q for factor in range(self._first, self._last + 1))


class Stretched:
    """The values of an unbounded distribution; coordinates are the masses below them."""

    def __init__(self, settings: dict):
        self._settings = settings
        self._mass = MASSES[distribution(settings)]
        self.distribution = FloatDistribution(TAIL_QUANTILE, 1 - TAIL_QUANTILE)

    def value(self, coordinate: float) -> float:
        """Return the value with a mass below it."""
        return rounded(quantile(self._settings, coordinate))

    def coordinate(self, value: object) -> float | None:
        """Return the mass below a value; all of a tail counts as its beginning."""
        if not is_number(value):
            return None
        return min(max(self._mass(self._settings, value), TAIL_QUANTILE), 1 - TAIL_QUANTILE)

    def values(self) -> None:
        """Return None: there are infinitely many."""


def rounded(value: float) -> float:
    """Return a value with few digits, so that suggestions that are almost equal become equal."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def axis_of(settings: dict) -> Axis | None:
    """Return the dimension of a parameter, None if it has one value only."""
    kind = distribution(settings)
    if kind == "constant":
        return None
    axis: Axis
    if kind.startswith("categorical"):
        odds = settings.get("probabilities") or [1] * len(settings["values"])
        axis = Choice([value for value, odd in zip(settings["values"], odds, strict=True) if odd])
    elif kind == "int_uniform":
        axis = Steps(settings["min"], settings["max"], 1, is_log=False)
    elif kind in MASSES:
        axis = Stretched(settings)
    else:
        plain = kind.removeprefix("q_")
        tail = TAIL_QUANTILE if plain in MASSES else 0
        low, high = quantile(settings, tail), quantile(settings, 1 - tail)
        if kind == plain:
            axis = Span(low, high, is_log="log" in plain)
        else:
            axis = Steps(low, high, step(settings), is_log="log" in plain)
    return None if axis.distribution.single() else axis
