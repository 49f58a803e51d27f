"""Sort records by keys with + and -, as W&B's public API sends them."""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sweepserver.errors import RequestError
from sweepserver.store.filters import Facts, Fields

MOST_ORDER_KEYS = 10
"""The largest number of keys to sort by."""

Item = TypeVar("Item")
Rank = tuple[int, float, str]


class Order:
    """An order for records of one kind.

    Args:
        text: Keys such as `-config.lr,+state`, the first one counting most; nothing leaves them
            as they come.
        fields: The keys that may stand in it.

    Attributes:
        keys: The keys with their signs.
        columns: What of a record is looked at.

    Raises:
        RequestError: One of the keys is not known.
    """

    def __init__(self, text: str | None, fields: Fields):
        self.keys = tuple(key for part in (text or "").split(",") if (key := part.strip()))
        if len(self.keys) > MOST_ORDER_KEYS:
            raise RequestError(
                f"The order has {len(self.keys):,} keys; use at most {MOST_ORDER_KEYS}."
            )
        self._fields = [(fields.find(key.lstrip("+-")), key.startswith("-")) for key in self.keys]
        self.columns = {column for asked, _ in self._fields for column in asked.columns}

    def ranks(self, facts: Any) -> list[Rank | None]:
        """Return what a record is sorted by, for each key."""
        return [rank(asked.read(facts)) for asked, _ in self._fields]

    def sort(self, found: Iterable[Facts]) -> list[Facts]:
        """Return records sorted; equal ones keep their order."""
        return self.sort_ranked([(self.ranks(facts), facts) for facts in found])

    def sort_ranked(self, found: list[tuple[list[Rank | None], Item]]) -> list[Item]:
        """Return what stands for records, with their ranks, sorted as the records would be."""
        for place, (_, is_descending) in reversed([*enumerate(self._fields)]):
            found = in_order(found, [ranks[place] for ranks, _ in found], is_descending)
        return [item for _, item in found]


def ranked(found: list[Item], read: Callable[[Item], object], is_descending: bool) -> list[Item]:
    """Return records sorted by a value; those without it, or with NaN, come last either way."""
    return in_order(found, [rank(read(facts)) for facts in found], is_descending)


def in_order(found: list[Item], ranks: list[Rank | None], is_descending: bool) -> list[Item]:
    """Return items sorted by their ranks; those without one come last either way."""
    pairs = list(zip(ranks, found, strict=True))
    known = [(place, item) for place, item in pairs if place is not None]
    known.sort(key=lambda pair: pair[0], reverse=is_descending)
    return [item for _, item in known] + [item for place, item in pairs if place is None]


def rank(value: object) -> Rank | None:
    """Return what a value is sorted by: numbers before texts; None if it is neither, or NaN."""
    if isinstance(value, (int, float)):
        is_nan = isinstance(value, float) and math.isnan(value)
        return None if is_nan else (0, value, "")
    return (1, 0, value) if isinstance(value, str) else None
