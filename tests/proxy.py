"""A proxy between the wandb client and a real server that notes, delays or fails requests."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
