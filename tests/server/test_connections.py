"""Connections without a key: any number of them, and any patience of theirs."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from sweepserver.connections import DESCRIPTORS_KEPT, Connections
from sweepserver.pages.assets import PLOTLY
from tests.fixtures.server import RunningServer, launch
from tests.waiting import patience, wait_for

LIMIT = DESCRIPTORS_KEPT + 2 * 60  # descriptors: 60 connections, 30 of one address
IMPATIENT = """
from sweepserver import connections
connections.REQUEST_S = connections.SILENCE_S = 0.5
from sweepserver import queues
from sweepserver.pages import signin
queues.FORM_PLACES, signin.LONGEST_FORM_S = 1, 0.3
from sweepserver.__main__ import main
main()
"""


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS_KEPT, LIMIT))


@pytest.fixture
def impatient(tmp_path) -> Iterator[RunningServer]:
    """A server that waits for half a second where others wait for a minute."""
    server = launch(tmp_path / "store", tmp_path / "home", program=("-c", IMPATIENT))
    yield server
    server.stop()


def connect(server: RunningServer) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=patience(60))


def test_whoever_opens_connections_without_end_keeps_nobody_out(start_server):
    server = start_server(preexec_fn=few_descriptors)
    with httpx2.Client() as known:
        assert known.get(f"{server.url}/health").status_code == 200
        idle = [connect(server) for _ in range(DESCRIPTORS_KEPT + 60)]
        for client in (known, httpx2):
            assert client.get(f"{server.url}/health").status_code == 200
        assert known.get(f"{server.url}/health").status_code == 200
    assert idle[0].recv(1) == b""  # the oldest had to go
    idle[-1].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle[-1].recv(100).startswith(b"HTTP/1.1 200")
    for connection in idle:
        connection.close()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /health HTT", b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nkey"],
)
def test_who_does_not_go_on_is_not_waited_for(impatient: RunningServer, sent: bytes):
    with connect(impatient) as connection, httpx2.Client() as patient:
        patient.get(f"{impatient.url}/health")
        connection.sendall(sent)
        answer = b"".join(iter(partial(connection.recv, 1000), b""))
        assert not answer or answer.startswith(b"HTTP/1.1 4")
        # Between two requests there is more time.
        (pool,) = [patient._transport._pool]
        before = pool.connections
        assert patient.get(f"{impatient.url}/health").status_code == 200
        assert pool.connections == before


def sockets(server: RunningServer) -> int:
    """Return how many sockets a server has open."""
    open_files = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return sum(str(file.readlink()).startswith("socket:") for file in open_files)


def test_an_answer_that_is_not_taken_is_not_kept(impatient: RunningServer):
    with httpx2.Client() as other:
        other.get(f"{impatient.url}/health")
        before = sockets(impatient)
        with connect(impatient) as connection:
            connection.sendall(f"GET /{PLOTLY} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            wait_for(lambda: sockets(impatient) == before, "the server has closed the connection")


class Known:
    """A connection as `Connections` sees it."""

    def __init__(self, address: str, has_asked: bool, is_idle: bool = True):
        self.address, self.has_asked, self.is_idle = address, has_asked, is_idle
        self.is_open = True

    def end(self) -> None:
        self.is_open = False


def test_those_that_asked_for_nothing_go_first_then_the_idle_then_the_new_one():
    connections = Connections(DESCRIPTORS_KEPT + 2 * 8)
    assert (connections.most, connections.most_per_address) == (8, 4)
    busy, idle, silent = Known("a", True, False), Known("a", True), Known("a", False)
    for one in (busy, idle, silent, Known("a", True, False)):
        connections.opened(one)
    ends = []
    for _ in range(3):
        new = Known("a", True, False)
        connections.opened(new)
        ends.append([one.is_open for one in (busy, idle, silent, new)])
    assert ends == [
        [True, True, False, True], [True, False, False, True], [True, False, False, False]
    ]  # fmt: skip
    connections.opened(other := Known("b", True, False))
    assert other.is_open


def test_a_proxy_may_speak_for_many():
    connections = Connections(DESCRIPTORS_KEPT + 2 * 8, is_proxied=True)
    many = [Known("127.0.0.1", True, False) for _ in range(8)]
    for one in many:
        connections.opened(one)
    assert all(one.is_open for one in many)
    connections.opened(one_more := Known("127.0.0.1", True, False))
    assert not one_more.is_open


def test_a_form_that_comes_byte_by_byte_is_not_waited_for(impatient: RunningServer):
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
    with connect(impatient) as connection:
        connection.sendall(head)
        connection.setblocking(False)

        def is_answered() -> bool:
            with contextlib.suppress(BlockingIOError):
                return connection.recv(100).startswith(b"HTTP/1.1 400")
            connection.send(b"x")
            return False

        wait_for(is_answered, "the form is given up", every=0.05)


def test_only_so_many_forms_are_read_at_once(impatient: RunningServer):
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    with contextlib.ExitStack() as opened:
        many = [opened.enter_context(connect(impatient)) for _ in range(2)]
        for connection in many:
            connection.sendall(head)
        answers = [connection.recv(100).split()[1] for connection in reversed(many)]
    assert b"429" in answers
