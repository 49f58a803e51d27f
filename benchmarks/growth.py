"""How the server's answers grow with the number of runs of one project."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report
from benchmarks.served import Served
from benchmarks.wire import HEARTBEAT, UPSERT, Connection, connect
from sweepserver.api.resolvers.context import global_id
from sweepserver.store.database import Store
from sweepserver.store.records import Agent, Project, Run, Sweep

SIZES = (1_000, 10_000, 100_000)
REPEATS = 15
RUNS = """query Runs($cursor: String, $perPage: Int, $order: String, $filters: JSONString) {
  project(name: "bench", entityName: "local") {
    runCount(filters: $filters)
    runs(filters: $filters, after: $cursor, first: $perPage, order: $order) {
      edges { cursor node { id name displayName state config summaryMetrics tags createdAt
                            heartbeatAt sweepName user { name username } } }
      pageInfo { endCursor hasNextPage } } } }"""
SWEEP_RUNS = """{ project(name: "bench", entityName: "local") { sweep(sweepName: "growing-random") {
  state runCount runs(first: 50) { edges { node { name state } } } } } }"""
RANDOM = "{method: random, parameters: {x: {min: 0.0, max: 1.0}}}"
GRID = "{method: grid, parameters: {x: {min: 0, max: 999}, y: {min: 0, max: 999}}}"


@dataclass(frozen=True)
class Taken:
    """How long something took.

    Attributes:
        seconds: By the clock, at the client.
        computed: By the processor, in the server.
    """

    seconds: float
    computed: float


class Stopwatch:
    """Takes the time of what is done inside of a `with` block."""

    def __init__(self, server: Served):
        self._server = server

    def __enter__(self) -> "Stopwatch":
        self._computed = self._server.processor_seconds()
        self._begin = time.perf_counter()
        return self

    def __exit__(self, *_) -> None:
        seconds = time.perf_counter() - self._begin
        self.taken = Taken(seconds, self._server.processor_seconds() - self._computed)


def measure(report: Report) -> None:
    """Measure with ever more runs, half of them of a random sweep and half of a grid."""
    smallest: dict[str, Taken] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            agents = populate(Path(folder) / "store", size)
            with Served(Path(folder) / "store") as server:
                found = asyncio.run(ask(server, agents))
        smallest = smallest or found
        for what, taken in found.items():
            report.add(
                "Growth with the runs of a project, half of them of a random sweep, half of a grid",
                {
                    "what".ljust(34): what.ljust(34),
                    "runs": size,
                    "ms": 1000 * taken.seconds,
                    "server's processor (ms)": 1000 * taken.computed,
                    f"ratio to {SIZES[0]:,}": taken.computed / smallest[what].computed,
                },
                "The ratio is that of the processor's time, which other work does not disturb.",
            )


def populate(folder: Path, size: int) -> dict[str, str]:
    """Make a store with finished runs of two sweeps; return the ID of an agent of each."""
    store = Store(folder)
    config = json.dumps({"learning_rate": {"value": 0.1}, "batch_size": {"value": 64}})
    with store.writing():
        project = store.add(Project, entity="local", name="bench", created_at=0)
        now = time.time()
        sweeps, agents = {}, {}
        for name, config_of_sweep in (("random", RANDOM), ("grid", GRID)):
            sweeps[name] = store.add(
                Sweep,
                project_id=project.id,
                name=f"growing-{name}",
                config=config_of_sweep,
                state="RUNNING",
                created_at=0,
                updated_at=0,
            )
            agents[name] = store.add(
                Agent,
                sweep_id=sweeps[name].id,
                name=name,
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
                sweep_id=sweeps["random" if number % 2 else "grid"].id,
                user="local",
                display_name=f"quiet-river-{number}",
                state="finished",
                created_at=number,
                heartbeat_at=number + 60,
                suggestion=suggestion(number),
                config=config,
                summary=json.dumps({"Train Loss": number % 97, "Validation Accuracy": number % 89}),
            )
    store.close()
    return {name: global_id(agent) for name, agent in agents.items()}


def suggestion(number: int) -> str:
    """Return the point of a run: of the random sweep if the number is odd, else of the grid."""
    if number % 2:
        return json.dumps({"x": number / 1e6})
    x, y = divmod(number // 2, 1000)
    return json.dumps({"x": x, "y": y})


async def ask(server: Served, agents: dict[str, str]) -> dict[str, Taken]:
    """Return what each kind of request takes; of several the middle one."""
    (connection,) = await connect(server.url, server.key, 1)
    sign_of_life = connection.request("/files/local/bench/r0/file_stream", {})
    watch = Stopwatch(server)

    async def repeat(make: Callable[[int], bytes]) -> Taken:
        found = []
        for number in range(REPEATS):
            await connection.send(sign_of_life)  # nothing may be known from the time before
            request = make(number)
            with watch:
                await connection.send(request)
            found.append(watch.taken)
        return sorted(found, key=lambda taken: taken.computed)[REPEATS // 2]

    def page(**variables) -> Callable[[int], bytes]:
        return lambda number: connection.graphql(RUNS, perPage=50, **variables)

    def beat(method: str) -> Callable[[int], bytes]:
        def request(number: int) -> bytes:
            ended = json.dumps({f"run-{number}": False})
            return connection.graphql(HEARTBEAT, id=agents[method], metrics="{}", runState=ended)

        return request

    def start(number: int) -> bytes:
        return connection.graphql(
            UPSERT, project="bench", name=f"new{number}", host="h", config="{}"
        )

    def browse(number: int) -> bytes:
        return connection.request("/local/bench", {}).replace(b"POST", b"GET", 1)

    return {
        "a list of all, 1,000 a page": await read_all(connection, watch, 1000),
        "a list of all, 50 a page": await read_all(connection, watch, 50),
        "a first page of 50": await repeat(page(filters="{}", order="+created_at")),
        "… with a filter on the config": await repeat(
            page(filters='{"config.learning_rate": 0.1}', order="+created_at")
        ),
        "… ordered by a metric": await repeat(
            page(filters="{}", order="-summary_metrics.Validation Accuracy")
        ),
        "a sweep's first 50 runs": await repeat(lambda number: connection.graphql(SWEEP_RUNS)),
        "start of a run": await repeat(start),
        "heartbeat that gives a random run": await repeat(beat("random")),
        "heartbeat that gives a grid's run": await repeat(beat("grid")),
        "page of the project": await repeat(browse),
    }


async def read_all(connection: Connection, watch: Stopwatch, per_page: int) -> Taken:
    """Read the runs of the project page by page."""
    cursor, more = None, True
    with watch:
        while more:
            data = await connection.ask(
                RUNS, cursor=cursor, perPage=per_page, order="+created_at", filters="{}"
            )
            info = data["project"]["runs"]["pageInfo"]
            cursor, more = info["endCursor"], info["hasNextPage"]
    return watch.taken
