"""A server that is killed over and over under load loses nothing that it acknowledged.

Loaders post as the client does, as fast as they can, and somebody asks for what costs most; beside
them real clients and a real agent log at their own pace.  The server is killed at random moments
and started again on the same folder and port; in the end everything is compared with what was
acknowledged.
"""

import asyncio
import base64
import hashlib
import itertools
import json
import random
import re
import sqlite3
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.fixtures.campaigns import rounds
from tests.fixtures.server import RunningServer
from tests.server.mortal import MortalServer
from tests.server.strange import costs
from tests.waiting import patience

KILLS, ROWS = rounds(100), rounds(400)
LOADERS = 6
AGENTS = 2
SEED = 7
GRID = "{method: grid, program: x, parameters: {a: {values: [%s]}}}"
BEGIN = """
import os, sys, time, wandb

def begin(**settings):
    # The client does not ask again if the server is killed in the midst of its answer here, and its
    # background process then keeps the run's ID to itself.
    try:
        return wandb.init(**settings)
    except wandb.errors.Error:
        os.environ.pop("WANDB_SERVICE", None)
        os.execv(sys.executable, sys.orig_argv)
"""
LOGGING = (
    BEGIN
    + """
with begin(project="real", id=sys.argv[1]) as run:
    for i in range(int(sys.argv[2])):
        run.log({"i": i, "loss": float("nan") if i % 7 == 0 else 1 / (i + 1)})
        if i % 50 == 0:
            print("row", i)
        time.sleep(0.1)
"""
)
TRAIN = (
    BEGIN
    + """
with begin() as run:
    for i in range(20):
        run.log({"i": i})
        time.sleep(0.1)
"""
)
SWEEP = """
program: train.py
command: ["${env}", "python", "${program}", "${args}"]
method: grid
parameters: {lr: {values: [0.1, 0.2, 0.3, 0.4]}}
"""
READING = """
import json, sys, wandb
api = wandb.Api()
sweep = api.sweep(sys.argv[1])
rows = lambda run: [row["i"] for row in run.scan_history(use_cache=False)]
print(json.dumps({
    "sweep": [sweep.state, sorted([r.config["lr"], r.state, len(rows(r))] for r in sweep.runs)],
    "runs": [[run.id, run.state, rows(run)] for run in api.runs("local/real") if not run.sweep],
}))
"""


class Client:
    """Asks the server again until it answers, as wandb does during an outage."""

    def __init__(self, server: MortalServer, number: int):
        self.random = random.Random(SEED + number)
        self.url = server.url
        self.http = httpx2.AsyncClient(auth=("api", server.key), timeout=patience(180))
        self.outages = 0

    async def ask(
        self, method: str, path: str, fine: tuple[int, ...] = (200,), **body
    ) -> httpx2.Response:
        while True:
            try:
                reply = await self.http.request(method, f"{self.url}{path}", **body)
            except httpx2.TransportError:
                self.outages += 1
                await asyncio.sleep(0.02)
                continue
            assert reply.status_code in fine, reply.text
            return reply

    async def graphql(self, query: str, **variables) -> dict:
        body = {"query": query, "variables": variables}
        return (await self.ask("POST", "/graphql", json=body)).json()["data"]

    async def start_run(self, name: str, **more) -> str:
        query = """mutation R($input: UpsertBucketInput!) {
          upsertBucket(input: $input) { bucket { id historyLineCount } } }"""
        values = {"name": name, "modelName": "load"} | more
        return (await self.graphql(query, input=values))["upsertBucket"]["bucket"]

    async def post(self, run: str, **body) -> None:
        await self.ask("POST", f"/files/local/load/{run}/file_stream", json=body)


@dataclass
class Loader:
    """A run that posts history, console lines, summaries and files without a pause.

    Attributes:
        client: What it asks with.
        name: Its run.
        history: All rows that it has made up.
        acknowledged: How many of them the server has acknowledged without a gap.
        console: All console lines.
        summary: The last summary.
        files: The hash of each file's last content.
    """

    client: Client
    name: str
    history: list[str] = field(default_factory=list)
    acknowledged: int = 0
    console: list[str] = field(default_factory=list)
    summary: str = "{}"
    files: dict[str, str] = field(default_factory=dict)

    async def work(self, done: asyncio.Event) -> None:
        await self.client.start_run(self.name)
        while not done.is_set():
            posts = [self.next_post() for _ in range(self.client.random.choice((1, 1, 3)))]
            self.client.random.shuffle(posts)
            repeated = self.client.random.sample(posts, k=len(posts) // 2)
            for files in [*posts, *repeated]:
                await self.client.post(self.name, files=files)
            self.acknowledged = len(self.history)
            self.summary = json.dumps({"rows": len(self.history), "worst": float("inf")})
            await self.client.post(
                self.name, files={"wandb-summary.json": {"offset": 0, "content": [self.summary]}}
            )
            if self.client.random.random() < 0.2:
                await self.upload(f"file {self.client.random.randrange(5)}.bin")
        await self.client.post(self.name, complete=True, exitcode=0)

    def next_post(self) -> dict:
        """Return the files of a post with the next lines, made up."""
        first, logged = len(self.history), len(self.console)
        for i in range(self.client.random.randrange(1, 40)):
            loss = self.client.random.choice((float("nan"), -float("inf"), 1 / (i + 1)))
            self.history.append(json.dumps({"_step": first + i, "loss": loss, "text": "ü" * i}))
        self.console += [f"line {logged + i}" for i in range(3)]
        return {
            "wandb-history.jsonl": {"offset": first, "content": self.history[first:]},
            "output.log": {"offset": logged, "content": self.console[logged:]},
        }

    async def upload(self, name: str) -> None:
        query = """mutation F($run: String!, $name: String!) {
          createRunFiles(input: {projectName: "load", runName: $run, files: [$name]}) {
            files { uploadUrl } } }"""
        data = await self.client.graphql(query, run=self.name, name=name)
        content = self.client.random.randbytes(self.client.random.randrange(100_000))
        path = data["createRunFiles"]["files"][0]["uploadUrl"].removeprefix(self.client.url)
        await self.client.ask("PUT", path, content=content)
        self.files[name] = base64.b64encode(hashlib.md5(content).digest()).decode()


async def agent(client: Client, sweep: str) -> list:
    """Run a sweep's points as an agent does, but without its pauses; return the points."""
    query = """mutation A($sweep: String!) {
      createAgent(input: {host: "h", projectName: "load", sweep: $sweep}) { agent { id } } }"""
    agent_id = (await client.graphql(query, sweep=sweep))["createAgent"]["agent"]["id"]
    points, run_state = [], {}
    while True:
        query = """mutation B($id: ID!, $state: JSONString) {
          agentHeartbeat(input: {id: $id, runState: $state}) { commands } }"""
        data = await client.graphql(query, id=agent_id, state=json.dumps(run_state))
        for command in json.loads(data["agentHeartbeat"]["commands"]):
            if command["type"] == "exit":
                return points
            run = command["run_id"]
            bucket = await client.start_run(run, host="h", sweep=sweep)
            await client.post(
                run,
                files={"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0}'] * 3}},
            )
            await asyncio.sleep(client.random.uniform(0, 0.5))
            await client.post(run, complete=True, exitcode=0)
            assert bucket["id"]
            points.append(command["args"]["a"]["value"])
            run_state[run] = False
        await asyncio.sleep(0.1)


async def burden(client: Client, done: asyncio.Event) -> Counter[int]:
    """Ask for what costs most, one after the other; return how often each status was the answer."""
    register = 'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "costs"}) {'
    count = (
        'query Q($filters: JSONString) { project(name: "costs") { runCount(filters: $filters) }}'
    )
    requests = [
        *({"query": document} for document in costs.DOCUMENTS),
        *({"query": f"{register} sweep {{ name }} }} }}", "variables": {"c": config}}
          for config in costs.SWEEPS),
        *({"query": count, "variables": {"filters": filters}} for filters in costs.FILTERS),
    ]  # fmt: skip
    await client.start_run("costs", modelName="costs")
    statuses: Counter[int] = Counter()
    for number, body in enumerate(itertools.cycle(requests)):
        if done.is_set() and number >= len(requests):
            break
        row = {"offset": number, "content": [costs.WIDE]}
        await client.ask(
            "POST",
            "/files/local/costs/costs/file_stream",
            json={"files": {"wandb-history.jsonl": row}},
        )
        statuses[
            (await client.ask("POST", "/graphql", fine=(200, 400), json=body)).status_code
        ] += 1
    await client.ask(
        "POST", "/files/local/costs/costs/file_stream", json={"complete": True, "exitcode": 0}
    )
    return statuses


async def reap(server: MortalServer, loaders: list[Loader]) -> None:
    """Kill the server again and again; after each start nothing acknowledged may be missing."""
    chance = random.Random(SEED)
    async with httpx2.AsyncClient(
        auth=loaders[0].client.http.auth, timeout=patience(180)
    ) as client:
        query = '{ project(name: "load") { runs { edges { node { name historyLineCount } } } } }'
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.02, 0.6))
            acknowledged = {loader.name: loader.acknowledged for loader in loaders}
            await asyncio.to_thread(server.restart)
            reply = await client.post(f"{server.url}/graphql", json={"query": query})
            edges = reply.json()["data"]["project"]["runs"]["edges"]
            kept = {edge["node"]["name"]: edge["node"]["historyLineCount"] for edge in edges}
            for name, number in acknowledged.items():
                assert kept.get(name, 0) >= number


async def load_and_kill(server: MortalServer, points: int) -> tuple[list[Loader], list]:
    """Return the loaders and the points that the agents tried."""
    clients = [Client(server, number) for number in range(LOADERS + AGENTS + 1)]
    query = 'mutation S($c: String) { upsertSweep(input: {config: $c, projectName: "load"}) {'
    config = GRID % ", ".join(map(str, range(points)))
    data = await clients[0].graphql(query + " sweep { name } } }", c=config)
    loaders = [Loader(client, f"loader-{i}") for i, client in enumerate(clients[:LOADERS])]
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for loader in loaders:
            tasks.create_task(loader.work(done))
        sweep = data["upsertSweep"]["sweep"]["name"]
        agents = [tasks.create_task(agent(client, sweep)) for client in clients[LOADERS:-1]]
        burdening = tasks.create_task(burden(clients[-1], done))
        await reap(server, loaders)
        done.set()
    assert burdening.result().keys() == {200, 400}
    assert sum(client.outages for client in clients) > KILLS / 2
    for client in clients:
        await client.http.aclose()
    return loaders, [point for task in agents for point in task.result()]


def test_a_server_that_is_killed_over_and_over_loses_nothing(tmp_path):
    server = MortalServer(tmp_path)
    wandb = RunningServer(None, server.url, server.store, tmp_path / "home")
    wandb.home.mkdir()
    (wandb.home / "train.py").write_text(TRAIN)
    (wandb.home / "sweep.yaml").write_text(SWEEP)
    _, output = wandb.run("wandb", "sweep", "--project", "real", "sweep.yaml")
    path = re.search(r"wandb agent (\S+)", output)[1]
    programs = [(sys.executable, "-c", LOGGING, f"real-{i}", str(ROWS)) for i in range(2)]
    # wandb.init() gives up after 90 s if it is unlucky enough to ask whenever the server is down.
    lasting = {"WANDB_INIT_TIMEOUT": f"{patience(300):.0f}"}
    real = [wandb.popen(*command, **lasting) for command in (*programs, ("wandb", "agent", path))]
    try:
        loaders, points = asyncio.run(load_and_kill(server, points=150))
        outputs = [process.communicate(timeout=patience(300))[0] for process in real]
        seen = wandb.python(READING, path)
    finally:
        for process in real:
            process.kill()
        server.close()
    assert Counter(points) == Counter(range(150))
    assert [process.returncode for process in real] == [0, 0, 0], "\n".join(outputs)
    assert seen["sweep"] == [
        "FINISHED", [[rate, "finished", 20] for rate in (0.1, 0.2, 0.3, 0.4)],
    ]  # fmt: skip
    assert sorted(seen["runs"]) == [[f"real-{i}", "finished", list(range(ROWS))] for i in range(2)]
    compare(sqlite3.connect(server.store / "store.sqlite"), server.store, loaders)
    assert "Traceback" not in server.log.read_text()


def compare(database: sqlite3.Connection, store: Path, loaders: list[Loader]) -> None:
    """See that the store holds what the loaders posted: everything, once, whole, in order."""
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    for loader in loaders:
        (number, *columns) = database.execute(
            "SELECT id, state, history_lines, log_lines, summary FROM runs WHERE name = ?",
            (loader.name,),
        ).fetchone()
        assert columns == ["finished", len(loader.history), len(loader.console), loader.summary]
        for table, lines in (("history", loader.history), ("console", loader.console)):
            kept = database.execute(
                f"SELECT line, row FROM {table} WHERE run_id = ? ORDER BY line", (number,)
            ).fetchall()
            assert kept == list(enumerate(lines))
        files = database.execute("SELECT name, md5 FROM files WHERE run_id = ?", (number,))
        assert dict(files) == loader.files
        for name, md5 in loader.files.items():
            path = store / "files" / str(number) / hashlib.sha256(name.encode()).hexdigest()
            assert base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode() == md5
    unfinished = database.execute("SELECT name, state FROM runs WHERE state != 'finished'")
    assert unfinished.fetchall() == []
