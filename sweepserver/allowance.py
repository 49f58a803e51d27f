"""Limit what one request may cost, so that it can't hold up other users or use up the memory."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from sweepserver.errors import RequestError

MIB = 2**20
Item = TypeVar("Item")
VALUE_COST_BYTES = 100  # what a value takes in memory and in an answer besides its text


class Allowance:
    """Counts what a request reads from the store and answers, and how long it takes.

    Args:
        size: How many bytes it may read and answer together.
        seconds: How long it may take from now on; None if there is no limit.

    Attributes:
        is_counting: Whether what is read now counts.
    """

    def __init__(self, size: int, seconds: float | None = None):
        self._size = self._left = size
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds
        self.is_counting = True

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and time.monotonic() > self._end

    def check_time(self) -> None:
        """Raise a RequestError if the time is up."""
        if self.is_over:
            raise RequestError(
                f"This request takes longer than {self._seconds:g} seconds; ask for less at a "
                "time: a smaller page, fewer rows or fields, or a narrower filter."
            )

    def take(self, values: object) -> None:
        """Count values that are read or answered.

        Raises:
            RequestError: They are too many, or the time is up.
        """
        self.check_time()
        if not self.is_counting:
            return
        self._left -= cost(values)
        if self._left < 0:
            raise RequestError(
                f"This request reads and answers more than {self._size // MIB} MiB; ask for less "
                "at a time: a smaller page, fewer rows or fields, or a narrower filter."
            )

    def in_time(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items until the time is up."""
        for item in items:
            self.check_time()
            yield item

    def taken(self, values: Iterable[Item]) -> "Counted":
        """Return values that are read one by one, counting each against the allowance.

        Of JSON all that is in it counts: numbers take far more memory than their text.
        """
        found = Counted()
        for value in values:
            self.take([*inner(value)])
            found.append(value)
        return found


class Counted(list):
    """A list whose items were taken from an allowance already."""


def inner(value: object) -> Iterator[object]:
    """Yield a JSON value and all that is in it, but for lists and dictionaries themselves."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from inner(item)
    else:
        yield value


def cost(value: object) -> int:
    """Return about how many bytes a value takes; in a list or a tuple, its items."""
    if isinstance(value, str):
        # JSON escapes what is not ASCII.
        return VALUE_COST_BYTES + (len(value) if value.isascii() else 6 * len(value))
    if isinstance(value, (list, tuple)) and not isinstance(value, Counted):
        return VALUE_COST_BYTES + sum(map(cost, value))
    return VALUE_COST_BYTES
