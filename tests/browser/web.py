"""Other servers that browsers meet: a page from elsewhere, a proxy with a prefix."""

import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What belongs to one connection and not to what is passed on.
HOP = ("connection", "content-length", "date", "server", "transfer-encoding")


class Listener(ThreadingHTTPServer):
    request_queue_size = 128  # a browser opens many connections at once


@contextmanager
def serving(answer, host: str = "127.0.0.1"):
    """Serve what a function makes of a request: status, headers and body; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = answer(self)
            body = body.encode() if isinstance(body, str) else body
            self.send_response(status)
            for key, value in [*headers, ("Content-Length", str(len(body)))]:
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    listener = Listener((host, 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield listener.server_port
    listener.shutdown()
    listener.server_close()


@contextmanager
def prefixed(url: str, prefix: str):
    """Pass requests on to a server without a prefix of their path; yield the address with it."""

    def answer(request):
        if not request.path.startswith(f"{prefix}/"):
            return 404, [], "not under the prefix"
        sent = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        kept = {key: value for key, value in request.headers.items() if key.lower() not in HOP}
        connection = HTTPConnection(urlsplit(url).netloc)
        connection.request(request.command, request.path.removeprefix(prefix), sent, kept)
        reply = connection.getresponse()
        headers = [(key, value) for key, value in reply.getheaders() if key.lower() not in HOP]
        return reply.status, headers, reply.read()

    with serving(answer) as port:
        yield f"http://127.0.0.1:{port}{prefix}"
