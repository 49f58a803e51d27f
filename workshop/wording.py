"""Numbers and lists in sentences."""

from collections.abc import Iterable


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as `1 run` or `2 runs`.

    Args:
        number: how many there are.
        noun: for one of them; a verb may follow, as in `run is`.
        plural: for any other number; by default the noun with an s.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return names as `a, b and c`, or with another word before the last one."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last
