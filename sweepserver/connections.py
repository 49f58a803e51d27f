"""Limit the number of connections, and how long each may keep the server waiting.

Each connection needs a descriptor, of which a process has few, and nobody needs a key to open one.
So the process takes as many as the system allows, no connection stays open in which nothing
happens, and where there are too many, those go first that have asked for nothing yet: whoever opens
them without end closes their own.
"""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from sweepserver.people.auth import is_loopback

REQUEST_S = 20  # seconds from the opening of a connection, or a request's first byte, to its head
SILENCE_S = 60  # seconds in which some of a body must come, or some of an answer be taken
DESCRIPTORS_KEPT = 100  # for the database, the log and what starts with the server
MOST_DESCRIPTORS = 2**20  # where the system has none
MOST_CLOSED_AT_ONCE = 100
MOST_CONNECTIONS_PER_ADDRESS = 4096  # a whole class may be behind one proxy


def raise_descriptor_limit() -> int:
    """Raise the limit of open files to what the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


class Connections:
    """The connections that are open.

    Args:
        descriptors: How many descriptors the process may have.
        is_proxied: Whether a proxy on this machine may speak for any number of people.

    Attributes:
        most: How many there may be.
        most_per_address: How many of them from one address.
        most_at_once: How many may be accepted before the others are looked at.
    """

    def __init__(self, descriptors: int, is_proxied: bool = False):
        self.most = max(1, (descriptors - DESCRIPTORS_KEPT) // 2)  # each may bring a file
        self.most_per_address = min(MOST_CONNECTIONS_PER_ADDRESS, max(1, self.most // 2))
        self.most_at_once = min(MOST_CLOSED_AT_ONCE, max(1, self.most // 2))
        self._is_proxied = is_proxied
        # The oldest first.
        self._open: dict[Connection, None] = {}
        self._by_address: dict[str, dict[Connection, None]] = {}

    def opened(self, connection: "Connection") -> None:
        """Record a new connection, and close another one if there are too many."""
        of_address = self._by_address.setdefault(connection.address, {})
        self._open[connection] = of_address[connection] = None
        is_proxy = self._is_proxied and is_loopback(connection.address)
        if len(of_address) > self.most_per_address and not is_proxy:
            self._close_one(of_address)
        elif len(self._open) > self.most:
            self._close_one(self._open)

    def closed(self, connection: "Connection") -> None:
        """Record the end of a connection."""
        self._open.pop(connection, None)
        of_address = self._by_address.get(connection.address, {})
        of_address.pop(connection, None)
        if not of_address:
            self._by_address.pop(connection.address, None)

    def _close_one(self, among: dict["Connection", None]) -> None:
        """Close the oldest that never asked for anything, else the oldest in which nothing happens.

        If all are busy, it is the newest.
        """
        new = next(reversed(among))
        victim = next((one for one in among if not one.has_asked and one is not new), None)
        victim = victim or next((one for one in among if one.is_idle), new)
        self.closed(victim)
        victim.end()


class Connection(H11Protocol):
    """A connection that ends if its client keeps the server waiting.

    What lies between two requests, uvicorn limits itself (`timeout_keep_alive`).
    """

    def __init__(self, connections: Connections, **options: Any):
        super().__init__(**options)
        self._among = connections
        self._timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """The address of the client."""
        return self.client[0] if self.client else ""

    @property
    def has_asked(self) -> bool:
        """Whether there was a request."""
        return self.cycle is not None

    @property
    def is_idle(self) -> bool:
        """Whether there is no request, or all of them are answered."""
        return self.cycle is None or self.cycle.response_complete

    def end(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def _wait(self, seconds: float) -> None:
        """End the connection in some seconds, unless `_go_on` is called before."""
        self._go_on()
        self._timer = self.loop.call_later(seconds, self.end)

    def _go_on(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    # H11Protocol, too, knows only of transports that can be written to.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait(REQUEST_S)
        self._among.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._go_on()
        self._among.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a request's head or body, if it has not come."""
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.is_idle:
            if self._timer is None:
                self._wait(REQUEST_S)
        elif self.cycle.more_body:
            self._wait(SILENCE_S)
        else:
            self._go_on()

    def pause_writing(self) -> None:
        """Wait for the client to take what was sent."""
        super().pause_writing()
        self._wait(SILENCE_S)

    def resume_writing(self) -> None:
        """Stop waiting."""
        super().resume_writing()
        self._go_on()

    def on_response_complete(self) -> None:
        """Stop waiting for what the client has to send or take."""
        super().on_response_complete()
        if not self.flow.write_paused:
            self._go_on()
