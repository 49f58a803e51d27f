"""One participant cannot stop the server: whatever a key's owner sends, others get their answers.

A real server serves two participants.  While one of them does the worst, the other one posts a
history line again and again, and the time of each answer is measured.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from sweepserver.people.keys import key_file, read_key
from tests.fixtures.server import RunningServer, launch
from tests.server.strange.costs import ALL, aliased, merged, nested, numbered
from tests.waiting import patience, wait_for

MOSTLY, ALWAYS = 2, 10  # seconds, before they are stretched
MOST_MEMORY = 2**30
ATTACKER, OTHER = "mallory", "ada"
START = 'mutation { upsertBucket(input: {name: "%s", modelName: "p", host: "h"}) { inserted } }'
SWEEP = """mutation S($config: String) {
  upsertSweep(input: {config: $config, projectName: "p"}) { sweep { name } } }"""


@dataclass
class Participant:
    """Somebody with a key.

    Attributes:
        server: The server.
        name: Their name.
        waits: How long the answers to `post` took, in seconds.
    """

    server: RunningServer
    name: str
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        key = read_key(key_file(self.server.store, self.name))
        self.client = httpx2.Client(
            base_url=self.server.url, auth=("api", key), timeout=patience(180)
        )

    def ask(self, query: str, **variables) -> httpx2.Response:
        return self.client.post("/graphql", json={"query": query, "variables": variables})

    def post(self, run: str, offset: int, *lines: str) -> httpx2.Response:
        content = {"wandb-history.jsonl": {"offset": offset, "content": lines}}
        path = f"/files/{self.name}/p/{run}/file_stream"
        return self.client.post(path, json={"files": content})

    def log(self, done: threading.Event) -> None:
        """Post a line now and then until something is done, once at least."""
        while not self.waits or not done.wait(0.05):
            begin = time.monotonic()
            reply = self.post("short", len(self.waits), json.dumps({"loss": len(self.waits)}))
            self.waits.append(time.monotonic() - begin)
            assert reply.status_code == 200, reply.text

    def refused(self, reply: httpx2.Response) -> str:
        """Return the sentence of a refusal."""
        assert reply.status_code == 400, reply.text[:300]
        return reply.json()["errors"][0]["message"]


def serve(folder: Path) -> RunningServer:
    """Start a server with two participants, who have a run each."""
    folder.mkdir(exist_ok=True)
    roster = folder / "roster.csv"
    roster.write_text(f"name\n{ATTACKER}\n{OTHER}\n")
    return launch(folder / "store", folder / "home", arguments=("--roster", str(roster)))


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Participant]:
    """Somebody with a run of 20,000 lines on a server that serves another one as well."""
    server = serve(tmp_path_factory.mktemp("fairness"))
    attacker = Participant(server, ATTACKER)
    for run in ("long", "wide", "still", "a" * 28 + "!"):
        assert attacker.ask(START % run).status_code == 200
    lines = [json.dumps({"loss": 1 / (i + 1), "_step": i}) for i in range(20_000)]
    assert attacker.post("long", 0, *lines).status_code == 200
    assert Participant(server, OTHER).ask(START % "short").status_code == 200
    yield attacker
    server.stop()


def nobody_waits(attacker: Participant, attack: Callable[[], object]) -> object:
    """Return what an attack returns, and see how long another participant waits meanwhile."""
    other, done = Participant(attacker.server, OTHER), threading.Event()
    logging = threading.Thread(target=other.log, args=(done,))
    logging.start()
    wait_for(lambda: other.waits, "the first line is posted", every=0.01)
    try:
        return attack()
    finally:
        done.set()
        logging.join()
        ordered = sorted(other.waits)
        assert ordered[-1] < patience(ALWAYS), ordered[-5:]
        assert ordered[len(ordered) * 95 // 100 - 1] < patience(MOSTLY), ordered
        assert peak_memory(attacker.server) < MOST_MEMORY


def peak_memory(server: RunningServer) -> int:
    """Return the most bytes of memory that a server has had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def sampled(number: int) -> str:
    """Return a document that looks at all of a long history a number of times."""
    specs = json.dumps([json.dumps({"keys": ["loss"]})] * number)
    return f'{{ project(name: "p") {{ run(name: "long") {{ sampledHistory(specs: {specs}) }} }} }}'


LONG_AXES = "method: grid\nparameters:\n" + "".join(
    f"  p{i}: {{min: 0, max: 9999}}\n" for i in range(3000)
)
DOTTED = f"{{method: random, metric: {{name: {'a.' * 60_000}a}}, parameters: {{p: {{value: 1}}}}}}"
SPECS = """query S($specs: [JSONString!]!) {
  project(name: "p") { run(name: "long") { sampledHistory(specs: $specs) } } }"""
SUMS = numbered("storageBytes", 99)
UPSERT = 'upsertBucket(input: {name: "long", modelName: "p"})'


@pytest.mark.parametrize(
    ("query", "variables", "expected"),
    [
        pytest.param(SWEEP, {"config": merged(7)}, "too large", id="merge keys"),
        pytest.param(SWEEP, {"config": aliased(9)}, "too large", id="aliases"),
        pytest.param(SWEEP, {"config": "[" * 99_000}, "50 levels", id="deep"),
        pytest.param(SWEEP, {"config": "a: " + ":".join("1" * 90_000)}, "number", id="base 60"),
        pytest.param(SWEEP, {"config": "a: &a [*a]"}, "inside the value that it names", id="cycle"),
        pytest.param(
            f'{{ project(name: "p") {{ run(name: "long") {numbered(ALL, 100)} }} }}', {},
            "128 MiB", id="histories",
        ),
        pytest.param(
            f"mutation {{ {UPSERT} {{ bucket {numbered(ALL, 100)} }} }}", {},
            "a mutation cannot answer Run.history", id="histories in a mutation",
        ),
        pytest.param(numbered("__typename", 2000), {}, "2000 tokens", id="tokens"),
        pytest.param(numbered("__typename", 100_000), {}, "100,000", id="long"),
        pytest.param(
            'mutation M($t: JSONString) { upsertBucket(input: {config: $t}) { inserted } }',
            {"t": "x" * 3 * 2**20}, "3,145,728 characters", id="text",
        ),
        pytest.param(nested(30), {}, "60 levels", id="fragments"),
        pytest.param(SPECS, {"specs": ["{}"] * 100_000}, "100,000 items", id="specs"),
        pytest.param("{ __schema { types { name } } }", {}, "introspection", id="schema"),
        pytest.param(
            f"mutation {{ {UPSERT} {{ bucket {{ project {{ entity {SUMS} }} }} }} }}", {},
            "a mutation cannot answer Entity.storageBytes", id="sums in a mutation",
        ),
        pytest.param(SWEEP, {"config": LONG_AXES}, "100,000 values together", id="long axes"),
        pytest.param(SWEEP, {"config": DOTTED}, "characters", id="dots of a metric"),
        pytest.param(
            f"mutation {numbered(f'{UPSERT} {{ inserted }}', 99)}", {}, "10 mutations",
            id="mutations",
        ),
    ],
)  # fmt: skip
def test_what_stands_for_too_much_is_refused(attacker, query, variables, expected):
    reply = nobody_waits(attacker, lambda: attacker.ask(query, **variables))
    assert expected in attacker.refused(reply)


def test_a_large_sweep_is_registered(attacker):
    parameters = "".join(f"  p{i}: {{min: 0, max: 1}}\n" for i in range(7_000))
    config = f"method: random\nparameters:\n{parameters}"
    reply = nobody_waits(attacker, lambda: attacker.ask(SWEEP, config=config))
    assert reply.status_code == 200, reply.text


def test_a_grid_with_more_points_than_can_be_written_has_its_pages(attacker):
    parameters = "".join(f"  p{i}: {{values: [0,1,2,3,4,5,6,7,8,9]}}\n" for i in range(4500))
    reply = nobody_waits(
        attacker, lambda: attacker.ask(SWEEP, config=f"method: grid\nparameters:\n{parameters}")
    )
    sweep = reply.json()["data"]["upsertSweep"]["sweep"]["name"]
    for page in (f"/{ATTACKER}/p/sweeps/{sweep}", f"/{ATTACKER}/p"):
        assert attacker.client.get(page).status_code == 200


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)+$", "(.*a){20}$"])
def test_a_pattern_takes_no_longer_than_its_text(attacker, pattern):
    query = 'query Q($filters: JSONString) { project(name: "p") { runCount(filters: $filters) } }'
    filters = json.dumps({"name": {"$regex": pattern}})
    begin = time.monotonic()
    assert attacker.ask(query, filters=filters).status_code == 200
    assert time.monotonic() - begin < patience(5)


def test_rows_with_too_many_keys_are_cut_and_the_run_goes_on(attacker):
    """A refusal would end the client's upload for good."""
    row = {"_step": 0} | {f"k{i:06}": i for i in range(200_000)}

    def attack() -> None:
        assert attacker.post("wide", 0, json.dumps(row)).status_code == 200
        for step in range(1, 6):
            line = json.dumps({f"more{step}": 1, "_step": step})
            assert attacker.post("wide", step, line).status_code == 200
        page = attacker.client.get(f"/{ATTACKER}/p")
        assert page.status_code == 200

    nobody_waits(attacker, attack)
    query = '{ project(name: "p") { run(name: "wide") { history historyKeys } } }'
    run = attacker.ask(query).json()["data"]["project"]["run"]
    first, *others = map(json.loads, run["history"])
    assert first["_left_out"] == 200_001 - 9_999
    assert (first["_step"], first["k000000"]) == (0, 0)
    assert [row["_step"] for row in others] == [1, 2, 3, 4, 5]
    assert len(run["historyKeys"]["keys"]) <= 10_001
    assert "is left out" in attacker.client.get(f"/{ATTACKER}/p/runs/wide").text


WIDE_RUN = """
import json, wandb
with wandb.init(project="p", id="real") as run:
    run.log({f"k{i:05}": i for i in range(12_000)})
    for i in range(3):
        run.log({"loss": i})
run = wandb.Api().run("local/p/real")
rows = [row for row in run.scan_history()]
print(json.dumps([run.state, len(rows), rows[0]["_left_out"], rows[-1]["loss"]]))
"""


def test_a_real_run_goes_on_after_a_row_with_too_many_keys(attacker):
    state, rows, left_out, loss = attacker.server.python(WIDE_RUN)
    assert (state, rows, loss) == ("finished", 4, 2)
    assert 2_000 < left_out < 2_010


def test_rows_that_all_have_one_step_cost_what_they_add(attacker):
    lines = [json.dumps({"loss": i, "_step": 0}) for i in range(20_000)]
    assert attacker.post("still", 0, *lines).status_code == 200

    def attack() -> None:
        for i in range(60):
            line = json.dumps({"loss": -i, "_step": 0})
            assert attacker.post("still", 20_000 + i, line).status_code == 200

    begin = time.monotonic()
    nobody_waits(attacker, attack)
    assert time.monotonic() - begin < patience(10)


def test_many_requests_at_once_keep_nobody_waiting(attacker):
    def ask() -> None:
        assert attacker.ask(sampled(2)).status_code == 200

    def attack() -> None:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    nobody_waits(attacker, attack)


def test_it_ends_while_it_works(tmp_path):
    """At a signal, whatever a request is at."""
    server = serve(tmp_path / "server")
    attacker = Participant(server, ATTACKER)
    assert attacker.ask(START % "long").status_code == 200
    lines = [json.dumps({"loss": 1 / (i + 1), "_step": i}) for i in range(20_000)]
    assert attacker.post("long", 0, *lines).status_code == 200
    answers = []

    def ask() -> None:
        try:
            answers.append(attacker.ask(sampled(100)).status_code)
        except httpx2.TransportError as error:
            answers.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    computed = processor_seconds(server)
    wait_for(lambda: processor_seconds(server) > computed + 0.5, "it computes")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=patience(30)) == 0
    asking.join()
    assert answers != [200]
    assert not (server.store / "server.json").exists()


def processor_seconds(server: RunningServer) -> float:
    """Return how long a server has computed."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
