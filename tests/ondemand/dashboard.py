"""What of Open OnDemand's dashboard runs the app (dashboard.rb says how faithfully)."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.browser.web import HOP, serving
from tests.waiting import patience


class RefusedError(Exception):
    """What the dashboard shows instead of submitting a job."""


class Dashboard:
    """Open OnDemand's dashboard with one app.

    Attributes:
        kit: the clone of the kit that the app is in.
    """

    def __init__(self, kit: Path):
        self.kit = kit

    def form(self) -> dict:
        """Return the form as the app describes it."""
        return json.loads(self._run("form"))

    def stage(self, folder: Path, **values: str) -> list[str]:
        """Write a session's files to its folder; return the command that submits its job."""
        arguments = json.loads(self._run("stage", str(folder), text=json.dumps(values)))
        return ["sbatch", "--parsable", *arguments, str(folder / "job_script_content.sh")]

    def view(self, folder: Path) -> str:
        """Return the HTML on the card of a session that runs."""
        return self._run("view", str(folder))

    @contextmanager
    def open(self, folder: Path) -> Iterator[str]:
        """Serve a page with a session's card; yield its address.

        Below it the dashboard's proxy passes requests on to nodes.  It keeps their path, names the
        node as their host, and gives cookies the session's path.
        """

        def answer(request: BaseHTTPRequestHandler) -> tuple[int, list, bytes | str]:
            found = re.match(r"/node/([^/]+)/(\d+)", request.path)
            if not found:
                return 200, [("Content-Type", "text/html")], self.view(folder)
            sent = request.rfile.read(int(request.headers.get("Content-Length", 0)))
            left_out = (*HOP, "host")
            kept = {k: value for k, value in request.headers.items() if k.lower() not in left_out}
            node = HTTPConnection(":".join(found.groups()))
            node.request(request.command, request.path, sent, kept)
            reply = node.getresponse()
            headers = [(k, value) for k, value in reply.getheaders() if k.lower() not in HOP]
            path = f"Path={found[0]}"
            return (
                reply.status,
                [
                    (k, re.sub("(?i)path=[^;]*", path, value) if k == "Set-Cookie" else value)
                    for k, value in headers
                ],
                reply.read(),
            )

        with serving(answer) as port:
            yield f"http://127.0.0.1:{port}/"

    def _run(self, task: str, *arguments: str, text: str = "") -> str:
        program = Path(__file__).with_name("dashboard.rb")
        done = subprocess.run(
            ["ruby", program, task, self.kit / "deploy" / "open_ondemand", *arguments],
            input=text, capture_output=True, text=True, timeout=patience(180),
        )  # fmt: skip
        if done.returncode:
            raise RefusedError(done.stderr)
        return done.stdout
