"""Proxies between the wandb client and a real server.

`Proxy` notes, delays or fails requests; `Tunnel` makes a server answer to names of other ones.
"""

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer

HOP = {"host", "accept-encoding", "connection"}


class Proxy:
    """Passes requests on to a server; use it in a `with` block.

    Attributes:
        url: Where it listens.
        queries: The body of each GraphQL request so far, failed ones included.
        fails: Tells for such a body whether it is answered with status 500.
        hangs: Tells whether it is not answered at all.
    """

    def __init__(self, target: str):
        self.queries: list[bytes] = []
        self.fails: Callable[[bytes], bool] = lambda body: False
        self.hangs: Callable[[bytes], bool] = lambda body: False
        proxy, self._closed = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/graphql":
                    proxy.queries.append(body)
                    if proxy.hangs(body):
                        proxy._closed.wait(30)
                        return
                    if proxy.fails(body):
                        self.reply(500, b"{}")
                        return
                headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
                request = urllib.request.Request(
                    target + self.path, body or None, headers, method=self.command
                )
                try:
                    with urllib.request.urlopen(request) as reply:
                        self.reply(reply.status, reply.read())
                except urllib.error.HTTPError as error:
                    self.reply(error.code, error.read())

            do_POST = do_GET  # noqa: N815

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()


class Tunnel:
    """An HTTP proxy that leads some names to a server of the tests; use it in a `with` block.

    It leads nowhere else, so that nothing leaves this machine.

    Attributes:
        url: Where it listens, for `HTTPS_PROXY`.
        reached: The names that were asked for so far, refused ones included.
    """

    def __init__(self, names: Collection[str], port: int):
        self.reached: set[str] = set()
        tunnel = self

        class Handler(StreamRequestHandler):
            def handle(self):
                name = self.rfile.readline().split()[1].decode().partition(":")[0]
                tunnel.reached.add(name)
                while self.rfile.readline().strip():
                    pass  # headers
                if name not in names:
                    self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                    return
                with socket.create_connection(("127.0.0.1", port)) as server:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    back = threading.Thread(target=pass_on, args=(server, self.connection))
                    back.start()
                    pass_on(self.connection, server)
                    back.join()

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Tunnel":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Send what one end of a tunnel says to the other, until it has said everything."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
