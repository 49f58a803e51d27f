"""The ticks of a hyperparameter's axis."""

import math

import pandas as pd

from sweepserver.search import Scale

MOST_LEVELS = 6
"""Up to this many distinct values get a tick each."""


def ticks_of(values: pd.Series, scale: Scale) -> list[float]:
    """Return the ticks of an axis: the values themselves if they are few, or else round numbers.

    Args:
        values: the runs' values, at least one, all finite.
        scale: a scale of numbers.
    """
    if values.nunique() <= MOST_LEVELS:
        return sorted(set(values))
    return round_numbers(values.min(), values.max(), scale)


def round_numbers(low: float, high: float, scale: Scale) -> list[float]:
    """Return round numbers from at or below `low` to at or above `high`, about five steps."""
    if scale.kind == "log":
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        return [10.0**power for power in powers]
    if low == high:
        return [low]
    rough = (high - low) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    return [index * step for index in range(math.floor(low / step), math.ceil(high / step) + 1)]
