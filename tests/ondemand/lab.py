"""A JupyterLab as its pages use it: signing in, a kernel, a terminal."""

import json
import re
import uuid

import httpx2
import websocket

from tests.waiting import patience

PATIENCE = patience(120)  # seconds that a kernel or a terminal may take
ELSEWHERE = "https://ondemand.example.edu"  # where the dashboard is: its proxy keeps this header


class Lab:
    """A browser's view of a JupyterLab.

    Args:
        host: where it listens, `name:port`.
        base: the path under which it is, `/node/NAME/PORT`.
        origin: the site whose page it is, as the browser says it.
    """

    def __init__(self, host: str, base: str, origin: str = ELSEWHERE):
        self.host = host
        self.base = base
        self._origin = origin
        self._client = httpx2.Client(
            base_url=f"http://{host}", headers={"Origin": origin}, timeout=PATIENCE, trust_env=False
        )

    def send(self, method: str, path: str, with_token: bool = True, **options) -> httpx2.Response:
        """Send a request as a page of JupyterLab does; do not follow where the reply points."""
        token = self._client.cookies.get("_xsrf", "") if with_token else ""
        return self._client.request(method, path, headers={"X-XSRFToken": token}, **options)

    def submit(self, form: str, **changes: str) -> httpx2.Response:
        """Send a form of HTML with its hidden fields."""
        action = re.search('action="([^"]*)"', form)[1]
        fields = dict(re.findall('type="hidden" name="([^"]*)" value="([^"]*)"', form))
        return self.send("POST", action, with_token=False, data=fields | changes)

    def run(self, code: str) -> str:
        """Run code in a new kernel beside the notebooks; return what it printed."""
        notebook = {"path": "notebooks/x.ipynb", "name": "", "type": "notebook"}
        kernel = self._posted("/api/sessions", notebook | {"kernel": {"name": "python3"}})["kernel"]
        socket = self._socket(f"/api/kernels/{kernel['id']}/channels")
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "", "session": uuid.uuid4().hex, "date": "2026-01-01T00:00:00Z"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell"}
        content = {"code": code, "silent": False, "store_history": False, "stop_on_error": True}
        socket.send(json.dumps(message | {"content": content, "buffers": []}))
        printed, is_idle, replied = "", False, False
        while not (is_idle and replied):  # they come on two channels, in any order
            reply = json.loads(socket.recv())
            content = reply["content"]
            if reply["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            if reply["msg_type"] == "stream":
                printed += content["text"]
            if reply["msg_type"] == "execute_reply":
                assert content["status"] == "ok", content
                replied = True
            is_idle = is_idle or content.get("execution_state") == "idle"
        socket.close()
        return printed

    def type(self, command: str) -> str:
        """Type a command in a new terminal; return what it and the shell printed."""
        terminal = self._posted("/api/terminals", {})["name"]
        socket = self._socket(f"/terminals/websocket/{terminal}")
        # The echo of what is typed does not have the word that the command prints.
        socket.send(json.dumps(["stdin", f"{command}; echo the''end $?\r"]))
        printed = ""
        while not re.search(r"theend \d", printed):
            kind, *text = json.loads(socket.recv())
            printed += text[0] if kind == "stdout" else ""
        socket.close()
        return printed

    def _posted(self, path: str, body: dict) -> dict:
        reply = self.send("POST", self.base + path, json=body)
        assert reply.is_success, reply.text
        return reply.json()

    def _socket(self, path: str) -> websocket.WebSocket:
        cookies = "; ".join(f"{each.name}={each.value}" for each in self._client.cookies.jar)
        return websocket.create_connection(
            f"ws://{self.host}{self.base}{path}", cookie=cookies, origin=self._origin,
            timeout=PATIENCE,
        )  # fmt: skip
