"""Numbers as JSON has them: NaN, infinity, and whole ones of any length."""

import math
from typing import TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a JSON value is a number, NaN and infinity included."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_float(value: float) -> float:
    """Return a number as a float; JSON has whole numbers that are too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
