"""What a class of forty does to the server: logging, heartbeats, starts of runs, reading."""

import asyncio
import json
import time
from collections.abc import Iterable
from contextlib import suppress

from benchmarks.report import Report
from benchmarks.served import Served
from benchmarks.wire import HEARTBEAT, UPSERT, Connection, connect, percentiles, post

CLIENTS = 40
AGENTS = 200
REAL_CLIENTS = 8
SWEEP = """mutation S($config: String) {
  upsertSweep(input: {config: $config, projectName: "bench"}) { sweep { name } } }"""
CONFIG = "{method: random, parameters: {x: {min: 0.0, max: 1.0}}}"
AGENT = """mutation A($sweep: String!) {
  createAgent(input: {host: "h", projectName: "bench", sweep: $sweep}) { agent { id } } }"""
RUN_CONFIG = json.dumps({"learning_rate": {"value": 0.1}, "batch_size": {"value": 64}})
LOGGING = """
import sys, time, wandb
rows = int(sys.argv[1])
with wandb.init(project="real") as run:
    begin = time.monotonic()
    for i in range(rows):
        run.log({"Train Loss": 1 / (i + 1), "Validation Loss": 2 / (i + 1),
                 "Validation Accuracy": i / 100, "epoch": i // 10})
print(time.monotonic() - begin)
"""
READING = """
import json, sys, time, wandb
begin = time.perf_counter()
runs = wandb.Api().runs("local/bench", lazy=False)
found = len([run.summary["Train Loss"] for run in runs])
listed = time.perf_counter() - begin
run = wandb.Api().run("local/long/long")
begin = time.perf_counter()
rows = sum(1 for row in run.scan_history(use_cache=False))
print(json.dumps([found, listed, rows, time.perf_counter() - begin]))
"""
MIB = 2**20


def measure(report: Report) -> None:
    """Measure all of it on one server after the other."""
    for lines, posts in ((1, 50), (20, 25), (500, 6)):
        with Served() as server:
            asyncio.run(take(report, server, lines, posts))
    with Served() as server:
        real_clients(report, server)
    with Served() as server:
        asyncio.run(answer(report, server, None))
        asyncio.run(answer(report, server, 20_000))
    with Served() as server:
        asyncio.run(fill(server, [f"bench/r{number}" for number in range(1000)], 1000))
        asyncio.run(fill(server, ["long/long"], 100_000))
        occupied(report, server, "before reading")
        read(report, server)
        occupied(report, server, "after reading")


async def start_runs(connections: list[Connection]) -> None:
    """Start the run `bench/rN` for connection number N."""
    for number, connection in enumerate(connections):
        await connection.ask(
            UPSERT, project="bench", name=f"r{number}", host="h", config=RUN_CONFIG
        )


async def take(report: Report, server: Served, lines: int, posts: int) -> None:
    """Let clients post one request after the other, as fast as they are answered."""
    connections = await connect(server.url, server.key, CLIENTS)
    await start_runs(connections)
    plans = [
        [post(connection, f"bench/r{number}", i * lines, lines) for i in range(posts)]
        for number, connection in enumerate(connections)
    ]
    latencies = []

    async def work(connection: Connection, plan: list[bytes]) -> None:
        for request in plan:
            latencies.append(await connection.time(request))

    used, begin = server.processor_seconds(), time.perf_counter()
    await asyncio.gather(*map(work, connections, plans))
    seconds = time.perf_counter() - begin
    report.add(
        "History lines taken while forty clients log without a pause",
        {
            "lines per post": lines,
            "lines/s": CLIENTS * posts * lines / seconds,
            "posts/s": CLIENTS * posts / seconds,
            **percentiles(latencies),
            "server's processors": (server.processor_seconds() - used) / seconds,
        },
        "wandb sends what a run has logged every 15 seconds, in one post.",
    )


def real_clients(report: Report, server: Served) -> None:
    """Let real clients log as fast as they can."""
    rows = 10_000
    used, begin = server.processor_seconds(), time.perf_counter()
    processes = [server.python(LOGGING, rows) for _ in range(REAL_CLIENTS)]
    seconds = [float(process.communicate()[0].split()[-1]) for process in processes]
    whole = time.perf_counter() - begin
    report.add(
        "The same by real wandb clients, which need the processors for themselves",
        {
            "clients": REAL_CLIENTS,
            "lines each": rows,
            "lines/s": REAL_CLIENTS * rows / max(seconds),
            "with start, lines/s": REAL_CLIENTS * rows / whole,
            "server's processors": (server.processor_seconds() - used) / whole,
        },
    )


async def answer(report: Report, server: Served, lines_per_second: int | None) -> None:
    """Let agents beat every five seconds and start a run each, with or without others logging."""
    pause, beats = 5.0, 3
    connections = await connect(server.url, server.key, AGENTS)
    sweep = (await connections[0].ask(SWEEP, config=CONFIG))["upsertSweep"]["sweep"]["name"]
    done = asyncio.Event()
    loaders = asyncio.create_task(log_steadily(server, lines_per_second or 0, done))
    starts, heartbeats = [], []

    async def agent(number: int, connection: Connection) -> None:
        await asyncio.sleep(pause * number / AGENTS)
        made = await connection.ask(AGENT, sweep=sweep)
        values = {"id": made["createAgent"]["agent"]["id"], "metrics": "{}"}
        beat = connection.graphql(HEARTBEAT, runState="{}", **values)
        begin = time.perf_counter()
        commands = json.loads(await connection.send(beat))["data"]["agentHeartbeat"]["commands"]
        heartbeats.append(time.perf_counter() - begin)
        name = json.loads(commands)[0]["run_id"]
        start = connection.graphql(UPSERT, name=name, host="h", sweep=sweep, config=RUN_CONFIG)
        starts.append(await connection.time(start))
        beat = connection.graphql(HEARTBEAT, runState=json.dumps({name: True}), **values)
        for _ in range(beats):
            await asyncio.sleep(pause)
            heartbeats.append(await connection.time(beat))

    await asyncio.gather(*(agent(i, connection) for i, connection in enumerate(connections)))
    done.set()
    await loaders
    for what, seconds in (("heartbeat", heartbeats), ("start of a run", starts)):
        report.add(
            f"Latency with {AGENTS} agents of one sweep",
            {
                "lines/s arriving": lines_per_second or 0,
                "request".rjust(14): what,
                **percentiles(seconds),
                "longest (ms)": 1000 * max(seconds),
            },
            "The first heartbeat of each agent has the search draw a point.",
        )


async def log_steadily(server: Served, lines_per_second: int, done: asyncio.Event) -> None:
    """Let forty clients log at a rate, in posts as long as those of the real client."""
    if not lines_per_second:
        return
    pause = 15.0
    lines = round(lines_per_second * pause / CLIENTS)
    connections = await connect(server.url, server.key, CLIENTS)
    await start_runs(connections)

    async def work(number: int, connection: Connection) -> None:
        await asyncio.sleep(pause * number / CLIENTS)
        first = 0
        while not done.is_set():
            begin = time.monotonic()
            request = await asyncio.to_thread(post, connection, f"bench/r{number}", first, lines)
            await connection.send(request)
            first += lines
            rest = pause - (time.monotonic() - begin)
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), max(0, rest))

    await asyncio.gather(*(work(i, connection) for i, connection in enumerate(connections)))


async def fill(server: Served, paths: Iterable[str], lines: int) -> None:
    """Make runs with history rows, in posts of a thousand rows, and end them."""
    (connection,) = await connect(server.url, server.key, 1)
    for path in paths:
        project, _, name = path.partition("/")
        await connection.ask(UPSERT, project=project, name=name, host="h", config=RUN_CONFIG)
        for first in range(0, lines, 1000):
            await connection.send(post(connection, path, first, 1000))
        ended = {"complete": True, "exitcode": 0}
        await connection.send(connection.request(f"/files/local/{path}/file_stream", ended))


def read(report: Report, server: Served) -> None:
    """Read with the public API what has been logged."""
    output, _ = server.python(READING).communicate()
    found, listed, rows, scanned = json.loads(output.splitlines()[-1])
    title = "Reading by wandb.Api, its own share included"
    report.add(title, {"what".rjust(34): f"list {found:,} runs with summaries", "s": listed})
    report.add(title, {"what".rjust(34): f"scan {rows:,} history lines", "s": scanned})


def occupied(report: Report, server: Served, when: str) -> None:
    """Tell what the server holds."""
    report.add(
        "What 1,000 runs of 1,000 lines and one run of 100,000 take",
        {
            "when".rjust(14): when,
            "memory (MiB)": server.memory() / MIB,
            "disk (MiB)": server.disk() / MIB,
        },
    )


def soak(report: Report, minutes: float) -> None:
    """Let forty clients log at a steady rate, and see whether the server's memory grows."""
    with Served() as server:
        asyncio.run(log_and_watch(report, server, 60 * minutes))


async def log_and_watch(report: Report, server: Served, seconds: float) -> None:
    """Report the memory every thirty seconds while clients log."""
    done = asyncio.Event()
    loaders = asyncio.create_task(log_steadily(server, 10_000, done))
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < seconds:
        await asyncio.sleep(min(30, seconds - passed))
        report.add(
            "Memory while forty clients log 10,000 lines/s",
            {
                "after (s)": round(time.monotonic() - begin),
                "memory (MiB)": server.memory() / MIB,
                "disk (MiB)": server.disk() / MIB,
            },
        )
    done.set()
    await loaders
