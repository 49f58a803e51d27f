"""How the server's answers grow with the number of runs of one project."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Report
from benchmarks.served import Served
from benchmarks.wire import HEARTBEAT, UPSERT, Connection, connect
from workshop.server.records import Agent, Project, Run, Sweep
from workshop.server.store import Store

SIZES = (1_000, 10_000, 100_000)
REPEATS = 15
RUNS = """query Runs($cursor: String, $perPage: Int, $order: String, $filters: JSONString) {
  project(name: "bench", entityName: "local") {
    runCount(filters: $filters)
    runs(filters: $filters, after: $cursor, first: $perPage, order: $order) {
      edges { cursor node { id name displayName state config summaryMetrics tags createdAt
                            heartbeatAt sweepName user { name username } } }
      pageInfo { endCursor hasNextPage } } } }"""
SWEEP_RUNS = """{ project(name: "bench", entityName: "local") { sweep(sweepName: "growing1") {
  state runCount runs(first: 50) { edges { node { name state } } } } } }"""
CONFIG = "{method: random, parameters: {x: {min: 0.0, max: 1.0}}}"


def measure(report: Report) -> None:
    """Measure with ever more runs, half of them of one sweep."""
    smallest: dict[str, float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            populate(Path(folder) / "store", size)
            with Served(Path(folder) / "store") as server:
                seconds = asyncio.run(ask(server))
        smallest = smallest or seconds
        for what, taken in seconds.items():
            report.add(
                "Growth with the runs of a project, half of them of one sweep",
                {
                    "what".ljust(34): what.ljust(34),
                    "runs": size,
                    "ms": 1000 * taken,
                    f"ratio to {SIZES[0]:,}": taken / smallest[what],
                },
                "A list that is read to its end should grow as the runs do, all else little.",
            )


def populate(folder: Path, size: int) -> None:
    """Make a store with finished runs of one project, and an agent of its sweep."""
    store = Store(folder)
    config = json.dumps({"learning_rate": {"value": 0.1}, "batch_size": {"value": 64}})
    with store.writing():
        project = store.add(Project, entity="local", name="bench", created_at=0)
        times = {"created_at": 0, "updated_at": 0}
        sweep = store.add(
            Sweep,
            project_id=project.id,
            name="growing1",
            config=CONFIG,
            state="RUNNING",
            **times,
        )
        now = time.time()
        store.add(
            Agent,
            sweep_id=sweep.id,
            name="a",
            user="local",
            host="h",
            created_at=now,
            heartbeat_at=now,
        )
        for number in range(size):
            store.add(
                Run,
                project_id=project.id,
                name=f"r{number}",
                sweep_id=sweep.id if number % 2 else None,
                user="local",
                display_name=f"quiet-river-{number}",
                state="finished",
                created_at=number,
                heartbeat_at=number + 60,
                suggestion='{"x": 0.5}' if number % 2 else None,
                config=config,
                summary=json.dumps({"Train Loss": number % 97, "Validation Accuracy": number % 89}),
            )
    store.close()


async def ask(server: Served) -> dict[str, float]:
    """Return how many seconds each kind of request takes; the middle one of several."""
    (connection,) = await connect(server.url, server.key, 1)
    sign_of_life = connection.request("/files/local/bench/r0/file_stream", {})

    async def repeat(make: Callable[[int], bytes]) -> float:
        taken = []
        for number in range(REPEATS):
            await connection.send(sign_of_life)  # nothing may be known from the time before
            taken.append(await connection.time(make(number)))
        return sorted(taken)[REPEATS // 2]

    def page(**variables) -> Callable[[int], bytes]:
        return lambda number: connection.graphql(RUNS, perPage=50, **variables)

    def beat(number: int) -> bytes:
        ended = json.dumps({f"run-{number}": False})
        return connection.graphql(HEARTBEAT, id="Agent:1", metrics="{}", runState=ended)

    def start(number: int) -> bytes:
        return connection.graphql(
            UPSERT, project="bench", name=f"new{number}", host="h", config="{}"
        )

    def browse(number: int) -> bytes:
        return connection.request("/local/bench", {}).replace(b"POST", b"GET", 1)

    listed = await listing(connection)
    return {
        "a list of all, 1,000 a page": listed[1000],
        "a list of all, 50 a page": listed[50],
        "a first page of 50": await repeat(page(filters="{}", order="+created_at")),
        "… with a filter on the config": await repeat(
            page(filters='{"config.learning_rate": 0.1}', order="+created_at")
        ),
        "… ordered by a metric": await repeat(
            page(filters="{}", order="-summary_metrics.Validation Accuracy")
        ),
        "a sweep's first 50 runs": await repeat(lambda number: connection.graphql(SWEEP_RUNS)),
        "start of a run": await repeat(start),
        "heartbeat that gives a run": await repeat(beat),
        "page of the project": await repeat(browse),
    }


async def listing(connection: Connection) -> dict[int, float]:
    """Return how long it takes to read all runs, by the length of the pages."""
    taken = {}
    for per_page in (1000, 50):
        begin, cursor, more = time.perf_counter(), None, True
        while more:
            data = await connection.ask(
                RUNS, cursor=cursor, perPage=per_page, order="+created_at", filters="{}"
            )
            info = data["project"]["runs"]["pageInfo"]
            cursor, more = info["endCursor"], info["hasNextPage"]
        taken[per_page] = time.perf_counter() - begin
    return taken
