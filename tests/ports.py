"""Ports for servers that must know theirs before they listen."""

import socket
from collections.abc import Iterator
from functools import cache

# Below the range from which systems give out ports, so that no connection of another process takes
# one while its server is restarted.
FIRST, LAST, EACH = 10_000, 32_000, 500


def free_ports(number: int) -> list[int]:
    """Return ports that nothing listens on and that no other call returns.

    Each process that tests has a block of its own, beside other processes of this run and beside
    other runs on this machine: it holds the block's first port for as long as it lives.
    """
    return [_free_port() for _ in range(number)]


def _free_port() -> int:
    _, numbers = _block()
    for port in numbers:
        # A server that has just ended may have left connections behind, which do not matter.
        if probe := _bound(port, reuse=True):
            probe.close()
            return port
    raise RuntimeError(f"one process has taken all of its {EACH} ports")


@cache
def _block() -> tuple[socket.socket, Iterator[int]]:
    """Return what holds this process's block of ports, and the block's other numbers."""
    for first in range(FIRST, LAST, EACH):
        if held := _bound(first):
            return held, iter(range(first + 1, first + EACH))
    raise RuntimeError(f"each block of ports from {FIRST} to {LAST} is held by another process")


def _bound(port: int, reuse: bool = False) -> socket.socket | None:
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return None
    return held
