"""Ports for servers that must know theirs before they listen."""

import os
import re
import socket
from itertools import count

# Below the range from which systems give out ports, so that no connection of another process takes
# one while its server is restarted; and each of the processes that test side by side has its own.
FIRST, EACH = 10_000, 1_000
_WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
_numbers = count(FIRST + _WORKER * EACH)


def free_ports(number: int) -> list[int]:
    """Return ports that nothing listens on and that no other call returns."""
    return [_free_port() for _ in range(number)]


def _free_port() -> int:
    for port in _numbers:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the numbers have no end")
