"""The values that runs had for a parameter, as pandas columns on the definition's scale."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from sweepserver.search import Scale

LARGEST_NUMBER = 3e38
"""The limit for numbers, because a random forest can't use larger ones."""


def column(values: Iterable[Any], scale: Scale) -> pd.Series:
    """Return the values of a parameter as a column of a table.

    Numbers that were written as text become numbers.  A null that the definition lists becomes
    None in a column of objects; in a numeric column it would be NaN, which means that a run lacks
    the parameter.

    Args:
        values: one per run; NaN for a run that lacks the parameter.
        scale: the parameter's scale.
    """
    read = [scale.read(value) for value in values]
    plain = [str(value) if isinstance(value, list | dict) else value for value in read]
    keeps = scale.kind == "category" or scale.has_null
    return pd.Series(plain, dtype=object if keeps else None)


def numbers(values: pd.Series, scale: Scale) -> pd.Series:
    """Return a parameter's values as floats, NaN for a value that isn't on the scale.

    Args:
        values: one per run; a run may lack the parameter, or have text instead of a number.
        scale: the parameter's scale; no value is on one of categories.
    """
    found = pd.Series(map(scale.number, values), index=values.index, dtype=float)
    return found.where(found.abs() <= LARGEST_NUMBER)


def levels(values: pd.Series, scale: Scale) -> pd.Series:
    """Return the names of categorical values, None for the others.

    Args:
        values: one per run.
        scale: the parameter's scale; on one of numbers, only null is categorical.
    """
    return pd.Series(map(scale.level, values), index=values.index, dtype=object)
