"""Requests as wandb's own process sends them, made before the clock runs.

Each connection is one client that keeps it open, sends a request and waits for its answer.  The
requests are bytes already, so that the loader takes little of a machine's two cores.
"""

import asyncio
import base64
import json
import math
import time
from collections.abc import Sequence

UPSERT = """mutation UpsertBucket(
  $project: String, $name: String, $host: String, $sweep: String, $config: JSONString
) {
  upsertBucket(input: {modelName: $project, name: $name, host: $host, sweep: $sweep,
                       config: $config}) {
    bucket { id name displayName description config sweepName historyLineCount
             project { id name entity { id name } } }
    inserted } }"""
HEARTBEAT = """mutation Heartbeat($id: ID!, $metrics: JSONString, $runState: JSONString) {
  agentHeartbeat(input: {id: $id, metrics: $metrics, runState: $runState}) {
    agent { id } commands } }"""


class Connection:
    """A client with one open connection."""

    def __init__(self, url: str, key: str):
        self._host, port = url.removeprefix("http://").rsplit(":", 1)
        self._port = int(port)
        token = base64.b64encode(f"api:{key}".encode()).decode()
        self._head = (
            f"Host: {self._host}:{port}\r\nAuthorization: Basic {token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )

    async def open(self) -> "Connection":
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def request(self, path: str, body: object) -> bytes:
        """Return a request as bytes."""
        content = json.dumps(body).encode()
        return f"POST {path} HTTP/1.1\r\n{self._head}{len(content)}\r\n\r\n".encode() + content

    def graphql(self, query: str, **variables) -> bytes:
        """Return a GraphQL request as bytes."""
        return self.request("/graphql", {"query": query, "variables": variables})

    async def answer(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body of the answer."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), await self._reader.readexactly(length)

    async def send(self, request: bytes) -> bytes:
        """Send a request; return the body of the answer."""
        status, body = await self.answer(request)
        if status != 200:
            raise SystemExit(f"error: the server answered {status} {body.decode()}")
        return body

    async def ask(self, query: str, **variables) -> dict:
        """Execute a GraphQL document; return its data."""
        return json.loads(await self.send(self.graphql(query, **variables)))["data"]

    async def time(self, request: bytes) -> float:
        """Send a request; return how many seconds the answer took."""
        begin = time.perf_counter()
        await self.send(request)
        return time.perf_counter() - begin


async def connect(url: str, key: str, number: int) -> list[Connection]:
    """Return some open connections."""
    return [await Connection(url, key).open() for _ in range(number)]


def row(step: int) -> str:
    """Return a history row as a training program of the workshop logs it, 200 bytes long."""
    values = {
        "Train Loss": 2.3 + math.sin(step),
        "Validation Loss": 2.4 + math.cos(step),
        "Validation Accuracy": 50 + 40 * math.sin(step / 7),
        "epoch": step // 10,
        "_step": step,
        "_timestamp": 1.79e9 + step / 3,
        "_runtime": step / 3,
    }
    return json.dumps(values, separators=(",", ":"))


def post(connection: Connection, path: str, first: int, lines: int) -> bytes:
    """Return the request that brings some history rows of a run, and its summary.

    Args:
        connection: Who will send it.
        path: Project and run ID, as `project/run`.
        first: The step of the first row.
        lines: How many rows.
    """
    rows = [row(first + i) for i in range(lines)]
    files = {
        "wandb-history.jsonl": {"offset": first, "content": rows},
        "wandb-summary.json": {"offset": 0, "content": rows[-1:]},
    }
    return connection.request(f"/files/local/{path}/file_stream", {"files": files})


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the latencies that 5, 50 and 95 % of the requests stayed below, in milliseconds."""
    ordered = sorted(seconds)
    return {
        f"{percent} % (ms)": 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
        for percent in (5, 50, 95)
    }
