"""Small helpers for values and words."""

import difflib
import sys
from collections.abc import Iterable

MOST_PATH_CHARACTERS = 500  # of a metric or an item, dots included


def shorten(text: object, length: int = 60) -> str:
    """Return the representation of a value, cut to a length that fits into a sentence."""
    text = repr(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def closest(word: object, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)` if one of the known words is close to one, else nothing."""
    matches = difflib.get_close_matches(str(word), list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def number(value: object) -> float | None:
    """Return a number as it is if a float can hold it, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Not math.isfinite, which fails for integers that are larger than any float.
    return value if abs(value) <= sys.float_info.max else None


def lookup(value: object, path: str, default: object = None) -> object:
    """Return the value at a dotted path in nested dictionaries, `default` if there is none.

    Keys may contain dots themselves, so the longest matching key wins at every level.
    """
    if not isinstance(value, dict):
        return default
    if path in value:
        return value[path]
    for beginning in beginnings(value, path):
        found = lookup(value[beginning], path[len(beginning) + 1 :], default)
        if found is not default:
            return found
    return default


def beginnings(value: dict, path: str) -> list[str]:
    """Return the keys of a dictionary with which a dotted path begins, the longest first.

    A path may have many dots and a dictionary many keys; what is fewer is looked through.
    """
    dots = path.count(".")
    if dots > len(value):
        names = (key for key in value if isinstance(key, str) and key)
        found = [key for key in names if path.startswith(f"{key}.")]
        return sorted(found, key=len, reverse=True)
    found, end = [], len(path)
    for _ in range(dots):
        end = path.rfind(".", 0, end)
        if end > 0 and path[:end] in value:
            found.append(path[:end])
    return found
