"""How long one participant of a class waits while another one does what costs most."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator

from benchmarks.class_load import MIB, SWEEP
from benchmarks.report import Report
from benchmarks.served import Served
from benchmarks.wire import UPSERT, Connection, connect, percentiles

BUSY, OTHER = "grace", "ada"
SECONDS = 2.5  # of each load
PAUSE = 0.02  # between an answer and the next line
LINES = 20_000
AT_ONCE = 12  # requests of the one participant
HISTORIES = " ".join(f"a{i}: history(minStep: 0, maxStep: 1000000)" for i in range(100))
MANY_HISTORIES = f'{{ project(name: "bench") {{ run(name: "long") {{ {HISTORIES} }} }} }}'
SAMPLES = """query S($specs: [JSONString!]!) {
  project(name: "bench") { run(name: "long") { sampledHistory(specs: $specs) } } }"""
COUNT = """query C($filters: JSONString) {
  project(name: "bench") { runCount(filters: $filters) } }"""

Requests = Callable[[Connection], Iterator[bytes]]


def measure(report: Report) -> None:
    """Measure every load on one server."""
    with Served(people=(BUSY, OTHER)) as server:
        asyncio.run(measure_on(report, server))


async def measure_on(report: Report, server: Served) -> None:
    """Measure every load."""
    (first,) = await connect(server.url, server.key_of(BUSY), 1)
    (other,) = await connect(server.url, server.key_of(OTHER), 1)
    await other.ask(UPSERT, project="bench", name="short", host="h")
    for run in ("long", "wide", "still"):
        await first.ask(UPSERT, project="bench", name=run, host="h")
    for run in ("long", "still"):
        rows = [{"loss": 1 / (i + 1), "_step": i if run == "long" else 0} for i in range(LINES)]
        await first.send(lines(first, BUSY, run, 0, *rows))
    first.close()
    offsets = itertools.count()
    for what, (number, requests) in LOADS.items():
        done = asyncio.Event()
        busy = await connect(server.url, server.key_of(BUSY), number)
        loads = [asyncio.create_task(load(one, requests(one), done)) for one in busy]
        begin = time.monotonic()
        waits = []
        while time.monotonic() - begin < SECONDS:
            request = lines(other, OTHER, "short", next(offsets), {"loss": 1.0})
            waits.append(await other.time(request))
            await asyncio.sleep(PAUSE)
        done.set()
        asked = sum(await asyncio.gather(*loads))
        for connection in busy:
            connection.close()
        report.add(
            "How long a post of one line waits while another participant asks without a pause",
            {
                "load".rjust(38): what,
                "requests": asked,
                "posts": len(waits),
                **percentiles(waits),
                "longest (ms)": 1000 * max(waits),
                "peak (MiB)": server.peak_memory() / MIB,
            },
        )


async def load(connection: Connection, requests: Iterator[bytes], done: asyncio.Event) -> int:
    """Send one request after the other until something is done; return how many."""
    asked = 0
    for request in requests:
        if done.is_set():
            break
        await connection.answer(request)
        asked += 1
    return asked


def lines(connection: Connection, who: str, run: str, offset: int, *rows: dict) -> bytes:
    """Return the request that brings history rows of somebody's run."""
    content = {"offset": offset, "content": [json.dumps(row) for row in rows]}
    path = f"/files/{who}/bench/{run}/file_stream"
    return connection.request(path, {"files": {"wandb-history.jsonl": content}})


def merged() -> str:
    """Return a sweep of some hundred characters that stands for millions of values."""
    texts = ["a0: &a0 {x: 1, y: 2, z: 3}"]
    for level in range(1, 8):
        texts.append(f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}")
    return "\n".join(texts)


def large() -> str:
    """Return a sweep of seven thousand parameters."""
    parameters = "".join(f"  p{i}: {{min: 0, max: 1}}\n" for i in range(7000))
    return f"method: random\nparameters:\n{parameters}"


def nothing(connection: Connection) -> Iterator[bytes]:
    """Yield no request."""
    return iter(())


def again(query: str, **variables) -> Requests:
    """Return what repeats a GraphQL request."""
    return lambda connection: itertools.repeat(connection.graphql(query, **variables))


def rows_of_one_step(connection: Connection) -> Iterator[bytes]:
    """Yield posts of a row each, all of them with the same step."""
    for line in itertools.count(LINES):
        yield lines(connection, BUSY, "still", line, {"loss": line, "_step": 0})


def wide_row(connection: Connection) -> Iterator[bytes]:
    """Return posts of a row with more keys than are kept."""
    row = {f"k{i:06}": i for i in range(500_000)}
    return itertools.repeat(lines(connection, BUSY, "wide", 0, row))


def rows_of_a_wide_run(connection: Connection) -> Iterator[bytes]:
    """Yield posts of a row each to a run that has as many keys as are known."""
    for line in itertools.count(1):
        yield lines(connection, BUSY, "wide", line, {"k000001": line})


# How many requests at once, and which.
LOADS: dict[str, tuple[int, Requests]] = {
    "none": (0, nothing),
    "a sweep that stands for millions": (1, again(SWEEP, config=merged())),
    "a sweep of 7,000 parameters": (1, again(SWEEP, config=large())),
    "a row of 500,000 keys": (1, wide_row),
    "rows of a run with 10,000 keys": (1, rows_of_a_wide_run),
    "rows that all have one step": (1, rows_of_one_step),
    "a pattern that backtracks": (
        1, again(COUNT, filters=json.dumps({"name": {"$regex": "^(a|aa)+$"}})),
    ),
    "100 histories in one query": (1, again(MANY_HISTORIES)),
    f"{AT_ONCE} samples of a long history at once": (
        AT_ONCE, again(SAMPLES, specs=[json.dumps({"keys": ["loss"]})]),
    ),
}  # fmt: skip
