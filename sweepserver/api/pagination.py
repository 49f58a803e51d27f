"""Pagination: the items of a list and their order are determined once.

The client reads a list page by page and sends back the cursor at which the last page ended.  A
cursor names the list (`TOKEN:OFFSET`), so that a page costs the same however long the list is, and
so that no item is repeated or left out because others changed meanwhile.  The lists of IDs are
kept in memory; when one has been forgotten, the list is taken as it is by then.
"""

import secrets
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from sweepserver.store.database import Store

MOST_LISTS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it was when a client began to read it.

    Attributes:
        token: Its name in cursors.
        key: What it is a list of.
        ids: The numbers of its records.
        version: The store's version that it was taken from.
    """

    token: str
    key: Hashable
    ids: array
    version: object


class Listings:
    """The lists that clients are reading; to be used inside `Store.reading` or `Store.writing`.

    Args:
        store: What they are lists of.
    """

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Listing] = OrderedDict()

    def current(self, key: Hashable, find: Callable[[], Iterable[int]]) -> Listing:
        """Return a list as it is now.

        Args:
            key: Tells this list from all others.
            find: Returns the numbers of its records, in order.
        """
        if listing := self.known(key):
            return listing
        listing = Listing(secrets.token_hex(8), key, array("q", find()), self._store.version)
        with self._lock:
            self._kept[listing.token] = listing
            if len(self._kept) > MOST_LISTS_KEPT:
                self._kept.popitem(last=False)
        return listing

    def known(self, key: Hashable) -> Listing | None:
        """Return a list as it is now if nothing has changed since it was taken."""
        version = self._store.version
        with self._lock:
            for listing in reversed(self._kept.values()):
                if listing.key == key and listing.version == version:
                    return listing
        return None

    def behind(
        self, after: str | None, key: Hashable, find: Callable[[], Iterable[int]]
    ) -> tuple[Listing, int]:
        """Return a list and where in it the page after a cursor begins.

        Args:
            after: The cursor; None for the first page.
            key: As in `current`.
            find: As in `current`.
        """
        token, _, offset = (after or "").rpartition(":")
        start = offset_in(offset)
        with self._lock:
            listing = self._kept.get(token)
            if listing is not None and listing.key == key:
                self._kept.move_to_end(token)
                return listing, start
        return self.current(key, find), start


def offset_in(cursor: str | None) -> int:
    """Return the number of items before a page; 0 if the cursor is invalid."""
    return number_in(cursor) or 0


def number_in(cursor: str | None) -> int | None:
    """Return a cursor as a number, None if it isn't a valid one."""
    return int(cursor) if cursor and cursor.isdecimal() and len(cursor) < 19 else None
