"""The values that runs had for a parameter, as columns of pandas: by the definition's scale."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from sweepserver.search import Scale

LARGEST = 3e38
"""Of numbers, because a random forest cannot take larger ones."""


def column(values: Iterable[Any], scale: Scale) -> pd.Series:
    """Return what runs had for a parameter as a column of a table.

    Numbers that were written as text are numbers.  A null that the definition lists is None, in a
    column of objects, because one of numbers would make it NaN: that a run lacks the parameter.

    Args:
        values: one per run; NaN for a run that lacks the parameter.
        scale: the parameter's.
    """
    read = [scale.read(value) for value in values]
    plain = [str(value) if isinstance(value, list | dict) else value for value in read]
    keeps = scale.kind == "category" or scale.has_null
    return pd.Series(plain, dtype=object if keeps else None)


def numbers(values: pd.Series, scale: Scale) -> pd.Series:
    """Return a parameter's values as floats, NaN where the scale has no place for one.

    Args:
        values: one per run; a run may lack the parameter, or have a text in place of a number.
        scale: the parameter's; one of categories has no place for any.
    """
    found = pd.Series(map(scale.number, values), index=values.index, dtype=float)
    return found.where(found.abs() <= LARGEST)


def levels(values: pd.Series, scale: Scale) -> pd.Series:
    """Return the names of the values that stand for themselves alone, None for the others.

    Args:
        values: one per run.
        scale: the parameter's; one of numbers has no such value but null.
    """
    return pd.Series(map(scale.level, values), index=values.index, dtype=object)
