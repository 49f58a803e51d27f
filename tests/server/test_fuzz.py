"""Input that nobody would think of, against everything that listens.

Whatever arrives: no traceback and no key in a reply or in the log, no status that makes the
client repeat its request for minutes, no request that takes long, and no file outside of where the
store keeps its own.
"""

import base64
import gzip
import hashlib
import json
import logging
import re
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from graphql import GraphQLObjectType
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import sweepserver
from sweepserver.api.graphql import SCHEMA
from sweepserver.api.resolvers.context import global_id
from sweepserver.app import ROUTES, make_app
from sweepserver.people.auth import Authenticator
from sweepserver.store import records
from sweepserver.store.database import Store
from tests.fixtures.campaigns import is_repeatable, part, rounds
from tests.server.strange import costs, documents, wrong
from tests.server.strange.values import JSON_VALUES, TEXTS, texts
from tests.waiting import patience

KEY = "local-" + "0123456789" * 4
LONGEST = 20  # seconds that a request may take, before they are stretched
CANARY = "what nobody may read from outside"
PACKAGE = Path(sweepserver.__file__).parent


def fuzzed(examples: int) -> Callable:
    """Run a test with many examples, the same ones every time."""
    return settings(
        max_examples=rounds(examples),
        database=None,
        deadline=None,
        derandomize=is_repeatable,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


# ---- the server, and what must hold of its replies ----


@dataclass
class Target:
    """A server with a bit of everything in it.

    Attributes:
        client: What asks it, with the right key.
        folder: The folder that holds the store's folder and nothing else that may change.
        log: What it has logged.
        known: What it has, by a word in the names of arguments that ask for it.
    """

    client: TestClient
    folder: Path
    log: list[str]
    known: dict[str, list[str]] = field(default_factory=dict)

    def ask(self, method: str, path: str, **request) -> httpx2.Response:
        """Send a request and see that the reply, the log and the disk are as they should be."""
        self.log.clear()
        begin = time.monotonic()
        reply = self.client.request(method, path, **request)
        assert time.monotonic() - begin < patience(LONGEST), (method, path, request)
        assert reply.status_code < 500, (method, path, request, reply.text)
        for text in (reply.text, *self.log):
            assert "Traceback" not in text, (method, path, request, text)
            assert "inside the local W&B server" not in text, (method, path, request, self.log)
            assert KEY not in text
            assert CANARY not in text
        return reply

    def check_disk(self) -> None:
        """See that nothing lies outside of where it belongs."""
        assert sorted(path.name for path in self.folder.iterdir()) == ["canary", "store"]
        found = {str(path.relative_to(self.folder / "store")) for path in self.folder.rglob("*/**")}
        expected = re.compile(
            r"\.|key|keys(/.*)?|server\.lock|store\.sqlite(-wal|-shm)?|files|files/\d+"
            r"|files/\d+/[0-9a-f]{64}|(artifacts|blobs)(/.*)?"
        )
        assert not [path for path in found if not expected.fullmatch(path)]


SETUP = """mutation Setup($config: String!, $digest: String!) {
  sweep: upsertSweep(input: {config: $config, projectName: "p"}) { sweep { id name } }
  run: upsertBucket(input: {name: "r", modelName: "p", summaryMetrics: "{\\"a\\": 1}"}) {
    bucket { id } }
  other: upsertBucket(input: {name: "s", modelName: "p"}) { bucket { id } }
  createArtifact(input: {entityName: "local", projectName: "p", runName: "r", digest: $digest,
    artifactTypeName: "dataset", artifactCollectionName: "a", aliases: [{alias: "best"}]}) {
    artifact { id } }
}"""
RUN = 'mutation { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }'
AGENT = """mutation A($sweep: String!) {
  createAgent(input: {host: "h", sweep: $sweep}) { agent { id name } } }"""
FILES = """mutation F { createRunFiles(input: {projectName: "p", runName: "r", files: ["f.txt"]}) {
  files { uploadUrl } } }"""
MANIFEST = """mutation M($artifact: ID!, $md5: String!) { createArtifactManifest(
  input: {artifactID: $artifact, digest: $md5, type: FULL, name: "wandb_manifest.json",
          entityName: "local", projectName: "p", runName: "r"}) {
  artifactManifest { file { uploadUrl } } } }"""
COMMIT = """mutation C($artifact: ID!) {
  commitArtifact(input: {artifactID: $artifact}) { artifact { id } } }"""
SWEEP = "{method: random, metric: {name: a}, parameters: {x: {min: 0.0, max: 1.0}}}"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "canary").write_text(CANARY)
    store = Store(folder / "store")
    (store.folder / "key").write_text(KEY)
    log: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: log.append(logging.Formatter().format(record))
    logging.getLogger().addHandler(handler)
    app = make_app(store, Authenticator(store, KEY))
    with TestClient(
        app, base_url="http://127.0.0.1", raise_server_exceptions=False, follow_redirects=False
    ) as client:
        client.auth = ("api", KEY)
        target = Target(client, folder, log)
        fill(target)
        yield target
        target.check_disk()
    logging.getLogger().removeHandler(handler)
    store.close()


def fill(target: Target) -> None:
    """Give the server a project with a sweep, an agent, runs, lines and a file."""

    def execute(query: str, **variables) -> dict:
        body = {"query": query, "variables": variables}
        reply = target.ask("POST", "/graphql", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    made = execute(SETUP, config=SWEEP, digest="0" * 32)
    sweep = made["sweep"]["sweep"]
    agent = execute(AGENT, sweep=sweep["name"])["createAgent"]["agent"]
    upload = execute(FILES)["createRunFiles"]["files"][0]["uploadUrl"]
    target.ask("PUT", upload, content=b"content")
    lines = ['{"_step": 0, "a": 1}', '{"_step": 1, "a": NaN, "b": {"c": [1]}}']
    files = {
        name: {"offset": 0, "content": lines}
        for name in ("wandb-history.jsonl", "wandb-events.jsonl", "output.log")
    }
    target.ask("POST", "/files/local/p/r/file_stream", json={"files": files})
    manifest = b'{"version": 1, "storagePolicy": "wandb-storage-policy-v1", "contents": {}}'
    artifact = made["createArtifact"]["artifact"]["id"]
    md5 = base64.b64encode(hashlib.md5(manifest).digest()).decode()
    announced = execute(MANIFEST, artifact=artifact, md5=md5)["createArtifactManifest"]
    target.ask("PUT", announced["artifactManifest"]["file"]["uploadUrl"], content=manifest)
    execute(COMMIT, artifact=artifact)
    execute(SETUP, config=SWEEP, digest="1" * 32)
    target.known |= {
        "entity": ["local"],
        "project": ["p"],
        "model": ["p"],
        "collection": ["a"],
        "filters": ['{"state": "running"}', "{}", '{"$and": [{"summary_metrics.a": {"$gt": 0}}]}'],
        "order": ["-summary_metrics.a", "+created_at", "state"],
        "specs": ['{"keys": ["_step", "a"], "samples": 10}', '{"keys": ["b.c"], "minStep": 1}'],
        "runstate": ["{}", '{"r": true}'],
        "state": ["running", "PAUSED", "RUNNING", "FINISHED", "pending"],
        "config": [SWEEP, SWEEP.replace("random", "bayes"), '{"x": {"value": 1}}'],
        "summary": ['{"a": 1, "b": {"c": NaN}}'],
        "metadata": ['{"a": [1]}'],
        "digest": [md5],
        "md5": [md5, "1B2M2Y8AsgTpgAmY7PhCfg=="],
        "alias": ["best", "latest", "v0"],
        "type": ["dataset"],
        "after": ["1"],
        "cursor": ["1"],
        "files": ["f.txt"],
        "sweep": [sweep["name"], sweep["id"]],
        "agent": [agent["name"], agent["id"]],
        "run": ["r", "s"],
        "name": ["r", "s", "p", "f.txt", "a", "a:v0", "a:latest", sweep["name"], "new"],
    }
    store = target.client.app.state.store
    for kind in vars(records).values():
        if hasattr(kind, "TABLE") and "id" in kind.__slots__:
            target.known[kind.__name__] = [*map(global_id, store.all(kind)), f"{kind.__name__}:99"]
    target.known |= {"Bucket": target.known["Run"], "Sequence": target.known["Collection"]}


# ---- GraphQL: any document that the schema allows ----


@pytest.mark.parametrize(
    ("root", "name"),
    [
        pytest.param(root, name, id=name)
        for root in (SCHEMA.query_type, SCHEMA.mutation_type)
        for name in root.fields
    ],
)
def test_every_operation_of_the_schema(target: Target, root: GraphQLObjectType, name: str):
    @fuzzed(25)
    @given(documents.operations(root, name, target.known))
    def ask(request: dict) -> None:
        reply = target.ask("POST", "/graphql", content=dump(request))
        assert reply.json().get("errors", [{"message": "x"}])[0]["message"]

    ask()


def dump(value: object) -> bytes:
    """Return JSON as a client may send it: NaN bare, half characters escaped."""
    return json.dumps(value).encode()


@pytest.mark.parametrize("config", costs.SWEEPS)
def test_a_sweep_that_stands_for_much(target: Target, config: str):
    query = "mutation S($c: String) { upsertSweep(input: {config: $c}) { sweep { id } } }"
    reply = target.ask("POST", "/graphql", json={"query": query, "variables": {"c": config}})
    assert reply.status_code == 400


@pytest.mark.parametrize("document", costs.DOCUMENTS)
def test_a_document_that_stands_for_much(target: Target, document: str):
    target.ask("POST", "/graphql", json={"query": document})


@fuzzed(150)
@given(request=st.one_of(JSON_VALUES, st.fixed_dictionaries(
    {"query": st.one_of(
        st.sampled_from(TEXTS), st.sampled_from(costs.DOCUMENTS), st.text(alphabet=string.printable)
    )},
    optional={"variables": JSON_VALUES, "operationName": JSON_VALUES},
)))  # fmt: skip
def test_any_document(target: Target, request: object):
    target.ask("POST", "/graphql", content=dump(request))


# ---- what a run sends ----

FILE_NAMES = ["wandb-history.jsonl", "wandb-events.jsonl", "wandb-summary.json", "output.log", "x"]
LINES = st.one_of(
    st.sampled_from([*TEXTS, costs.WIDE]),
    st.dictionaries(
        st.sampled_from(["_step", "_timestamp", "a", "_type", "", "a.b", "\ud800", *TEXTS[:6]]),
        JSON_VALUES,
        max_size=4,
    ).map(json.dumps),
)
POSTS = st.fixed_dictionaries(
    {},
    optional={
        "files": st.dictionaries(
            st.sampled_from(FILE_NAMES),
            st.fixed_dictionaries(
                {"offset": st.one_of(st.sampled_from([0, 1, 2]), JSON_VALUES)},
                optional={"content": st.lists(LINES, max_size=4) | JSON_VALUES},
            ),
            max_size=3,
        )
        | JSON_VALUES,
        "complete": JSON_VALUES,
        "exitcode": JSON_VALUES,
        "preempting": JSON_VALUES,
        "uploaded": JSON_VALUES,
    },
)


@fuzzed(250)
@given(post=POSTS, zipped=st.booleans())
def test_any_post_of_a_run(target: Target, post: dict, zipped: bool):
    body = gzip.compress(dump(post)) if zipped else dump(post)
    headers = {"Content-Encoding": "gzip"} if zipped else {}
    target.ask("POST", "/graphql", content=dump({"query": RUN}))  # others delete it
    target.ask("POST", "/files/local/p/r/file_stream", content=body, headers=headers)
    for path in ("/local/p/runs/r", "/local/p"):
        assert target.ask("GET", path).status_code == 200


@fuzzed(50)
@given(body=st.binary(max_size=100), encoding=st.sampled_from(["", "gzip", "br", "x"]))
def test_any_bytes(target: Target, body: bytes, encoding: str):
    for path in ("/graphql", "/files/local/p/r/file_stream"):
        target.ask("POST", path, content=body, headers={"Content-Encoding": encoding})


# ---- every wrong value in every place ----


@pytest.mark.parametrize("root", [SCHEMA.query_type, SCHEMA.mutation_type], ids=str)
def test_every_argument_with_every_wrong_value(target: Target, root: GraphQLObjectType):
    for number, request in enumerate(part(wrong.requests(root, target.known))):
        target.ask("POST", "/graphql", content=dump(request))
        if root is SCHEMA.mutation_type and number % 5 == 0:
            read(target, request)


READ = """{ project(name: "p") { runs(order: "-summary_metrics.a") { edges { node {
  historyLineCount eventsLineCount logLineCount exitcode historyKeys historyTail eventsTail
  summaryMetrics systemMetrics history(samples: 9) events wandbConfig
  logLines(last: 9) { edges { node { number timestamp level label line } } } } } }
  sweeps { edges { node { bestLoss runCountExpected } } } } }"""


def read(target: Target, before: dict) -> None:
    """See that what is there can be read, after a request that may have changed it."""
    reply = target.ask("POST", "/graphql", content=dump({"query": READ}))
    assert reply.status_code == 200, (before, reply.text)


def test_every_part_of_a_post_with_every_wrong_value(target: Target):
    target.ask("POST", "/graphql", content=dump({"query": RUN}))
    for number, post in enumerate(part(wrong.posts())):
        target.ask("POST", "/files/local/p/r/file_stream", content=dump(post))
        if number % 10 == 0:
            read(target, post)
    for path in ("/local/p/runs/r", "/local/p", "/local/p/runs/r/curves.json", "/leaderboard"):
        assert target.ask("GET", path).status_code in (200, 404)


def test_every_part_of_a_manifest_with_every_wrong_value(target: Target):
    for number, manifest in enumerate(part(wrong.manifests(target.known["md5"][0]))):
        content = dump(manifest)
        values = {"config": SWEEP, "digest": f"w{number}"}
        body = dump({"query": SETUP, "variables": values})
        made = target.ask("POST", "/graphql", content=body).json()["data"]
        values = {
            "artifact": made["createArtifact"]["artifact"]["id"],
            "md5": base64.b64encode(hashlib.md5(content).digest()).decode(),
        }
        body = dump({"query": MANIFEST, "variables": values})
        announced = target.ask("POST", "/graphql", content=body).json()["data"]
        file = announced["createArtifactManifest"]["artifactManifest"]["file"]
        target.ask("PUT", file["uploadUrl"], content=content)
        target.ask("POST", "/graphql", content=dump({"query": COMMIT, "variables": values}))
    assert target.ask("GET", "/local/p/artifacts").status_code == 200


# ---- addresses, forms, keys ----


def source_words(pattern: str) -> list[str]:
    """Return the words that a pattern finds in the server's sources."""
    found = {
        word for path in PACKAGE.rglob("*.py") for word in re.findall(pattern, path.read_text())
    }
    return sorted(found)


QUERY_KEYS = source_words(r'quer(?:y|y_params)(?:\.get\(|\[)"(\w+)"')
FORM_KEYS = source_words(r'(?:form|parse_qs\(.*\))(?:\.get\(|\[)"(\w+)"')
ROUTE_PATHS = sorted({(m, r.path) for r in ROUTES for m in getattr(r, "methods", None) or {"GET"}})


@pytest.mark.parametrize(("method", "path"), ROUTE_PATHS)
def test_every_address(target: Target, method: str, path: str):
    known = [text for values in target.known.values() for text in values]
    names = st.one_of(st.sampled_from(known), texts())
    place = re.compile(r"\{\w+(:\w+)?\}")

    @fuzzed(20)
    @given(
        st.lists(names, min_size=5, max_size=5),
        st.dictionaries(st.sampled_from([*QUERY_KEYS, "x"]), names, max_size=3),
        st.dictionaries(st.sampled_from([*FORM_KEYS, "x"]), names, max_size=2),
        st.booleans(),
    )
    def ask(parts: list[str], query: dict, form: dict, escape: bool) -> None:
        parts = iter(parts)

        def part(match: re.Match) -> str:
            text = next(parts)[:3000].encode(errors="replace").decode()
            return quote(text, safe="" if escape else "/")

        encoded = {k: v[:3000].encode(errors="replace").decode() for k, v in query.items()}
        form = {k: v.encode(errors="replace").decode() for k, v in form.items()}
        headers = {"Accept": "text/html"} if escape else {}
        body = {"data": form} if method == "POST" else {}
        address = place.sub(part, path)
        target.ask(method, address, params=encoded, headers=headers, **body)

    ask()


@fuzzed(100)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"Basic", b"Basic \xff", b"Basic " + b"A" * 9000, b"Bearer \xe9", b"Digest x"]
        ),
    ),
    st.sampled_from(["/graphql", "/", "/local/p", "/files/local/p/r/f.txt"]),
)  # fmt: skip
def test_any_authorization(target: Target, value: bytes, path: str):
    value = re.sub(rb"[\r\n\0]", b"", value)
    method = "POST" if path == "/graphql" else "GET"
    request = target.client.build_request(method, path, headers=[(b"Authorization", value)])
    target.log.clear()
    reply = target.client.send(request, auth=None)
    assert reply.status_code == 401
    assert target.log == []
