"""How much room each person of a class has for files, and what they are told when it is used up."""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from sweepserver.app import make_app
from sweepserver.errors import ForbiddenError
from sweepserver.people.auth import Authenticator
from sweepserver.people.keys import key_file, read_key
from sweepserver.people.roster import Person, admit
from sweepserver.store import quota, sizes
from sweepserver.store.quota import Quota
from sweepserver.store.records import User

KEYS = {name: f"local-{name:0<40}" for name in ("local", "ada", "eve")}
LIMIT = 10_000  # bytes
UPSERT = """mutation R($host: String) {
  upsertBucket(input: {name: "r", modelName: "p", host: $host}) { bucket { id } } }"""
FILES = """mutation F($name: String!) {
  createRunFiles(input: {projectName: "p", runName: "r", files: [$name]}) {
    files { uploadUrl } } }"""
LIST = """{ viewer { entity } project(name: "p") { entity { storageBytes }
  run(name: "r") { files { edges { node { id } } } } } }"""
DELETE = "mutation D($ids: [ID!]!) { deleteFiles(input: {files: $ids}) { success } }"
ARTIFACT = """mutation A($entity: String!, $name: String!) {
  createArtifact(input: {entityName: $entity, projectName: "p", artifactTypeName: "dataset",
    artifactCollectionName: $name, digest: $name}) { artifact { id } } }"""
BLOB = """mutation B($id: ID!, $md5: String!) {
  createArtifactFiles(input: {artifactFiles: [{artifactID: $id, name: "x", md5: $md5}]}) {
    files { edges { node { uploadUrl } } } } }"""


class Somebody:
    """What a person asks of the server."""

    def __init__(self, client: TestClient, name: str):
        self.name, self.client = name, client

    def ask(self, query: str, **variables) -> dict:
        self.client.auth = ("api", KEYS[self.name])
        body = {"query": query, "variables": variables}
        return self.client.post("/graphql", json=body).json()

    def bring(self, name: str, size: int) -> tuple[int, str]:
        answer = self.ask(FILES, name=name)["data"]["createRunFiles"]
        return self.put(answer["files"][0]["uploadUrl"], bytes(size))

    def log_artifact(self, content: bytes) -> tuple[int, str]:
        made = self.ask(ARTIFACT, entity=self.name, name=f"a{len(content)}")
        if "errors" in made:
            return 0, made["errors"][0]["message"]
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        found = self.ask(BLOB, id=made["data"]["createArtifact"]["artifact"]["id"], md5=md5)
        (edge,) = found["data"]["createArtifactFiles"]["files"]["edges"]
        return self.put(edge["node"]["uploadUrl"], content)

    def log(self, table: str, offset: int, *lines: str, **post) -> tuple[int, str]:
        self.client.auth = ("api", KEYS[self.name])
        body = {"files": {table: {"offset": offset, "content": lines}}, **post}
        reply = self.client.post(f"/files/{self.name}/p/r/file_stream", json=body)
        return reply.status_code, reply.text

    def used(self) -> int:
        return self.ask(LIST)["data"]["project"]["entity"]["storageBytes"]

    def put(self, address: str, content: bytes) -> tuple[int, str]:
        self.client.auth = None
        reply = self.client.put(address, content=content)
        return reply.status_code, reply.text


@pytest.fixture(autouse=True)
def _counted_at_once(monkeypatch):
    monkeypatch.setattr(quota, "REST_FACTOR", 0)


@pytest.fixture
def everybody(store) -> Iterator[dict[str, Somebody]]:
    admit(store, [Person("ada"), Person("eve")], KEYS.get)
    app = make_app(store, Authenticator(store, KEYS["local"]), quota=LIMIT)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        people = {name: Somebody(client, name) for name in KEYS}
        for person in people.values():
            person.ask(UPSERT)
        yield people


def test_a_person_has_room_for_so_many_bytes_and_no_more(everybody):
    ada, eve, owner = (everybody[name] for name in ("ada", "eve", "local"))
    assert ada.bring("a", 6000)[0] == 200
    status, message = ada.bring("b", 6000)
    assert status == 403
    assert "The runs, files and artifacts of ada take 5.6e-06 GiB" in message
    assert ada.log_artifact(b"x" * (LIMIT - ada.used() + 1))[0] == 403
    assert ada.log_artifact(b"x" * (LIMIT - ada.used() - 50))[0] == 200
    assert LIMIT - 50 <= ada.used() <= LIMIT
    # With nothing left, it is said where the client shows it.
    assert "delete runs" in ada.ask(UPSERT, host="h")["errors"][0]["message"]
    assert "delete runs" in ada.log_artifact(b"y")[1]
    assert "data" in ada.ask(UPSERT)  # what goes on may be described
    assert eve.bring("a", LIMIT - eve.used())[0] == 200
    assert owner.bring("a", 2 * LIMIT)[0] == 200
    files = ada.ask(LIST)["data"]["project"]["run"]["files"]["edges"]
    ada.ask(DELETE, ids=[edge["node"]["id"] for edge in files])
    assert ada.bring("b", 6000)[0] == 200


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("wandb-history.jsonl", '{"text": "%s"}'),
        ("wandb-events.jsonl", '{"text": "%s"}'),
        ("output.log", "%s"),
    ],
)
def test_what_is_logged_counts(everybody, table, line):
    ada, eve = everybody["ada"], everybody["eve"]
    line = line % ("é" * 1000)  # two bytes each
    number = 0
    while ada.used() < LIMIT - 2200:
        assert ada.log(table, number, line)[0] == 200
        assert ada.used() > 2000 * (number + 1)
        number += 1
    status, message = ada.log(table, number, line, line)
    assert status == 403
    assert "The runs, files and artifacts of ada take" in message
    assert "delete runs" in ada.bring("a", 6000)[1]
    assert ada.used() < LIMIT  # nothing of what was refused is kept
    # What fits is never refused: repetitions, shorter lines, signs of life, ends.
    for first, post in ((0, line), (0, "{}"), (number, line)):
        assert ada.log(table, first, post)[0] == 200
    assert ada.log(table, number, exitcode=0, complete=True)[0] == 200
    assert eve.log(table, 0, line)[0] == 200


SHOWN = """{ project(name: "p") { run(name: "r") {
  state logLines(last: 1) { edges { node { level line } } } } } }"""


def test_a_run_past_the_quota_has_failed_and_says_why(everybody):
    ada = everybody["ada"]
    assert ada.log("output.log", 0, "x" * (LIMIT - ada.used() - 100))[0] == 200
    for _ in range(2):  # the second time there is nothing more to say
        assert ada.log("wandb-history.jsonl", 0, '{"x": "%s"}' % ("y" * 1000))[0] == 403
        run = ada.ask(SHOWN)["data"]["project"]["run"]
        assert run["state"] == "failed"
        (said,) = [edge["node"] for edge in run["logLines"]["edges"]]
        assert said["level"] == "error"
        assert said["line"].startswith("The runs, files and artifacts of ada take")
        assert said["line"].endswith("the client keeps it on its own disk for `wandb sync`.")


def test_definitions_count(everybody):
    ada = everybody["ada"]
    change = """mutation R($config: JSONString) {
      upsertBucket(input: {name: "r", modelName: "p", config: $config}) { inserted } }"""
    register = """mutation S($config: String) {
      upsertSweep(input: {config: $config, projectName: "p"}) { sweep { id } } }"""
    wide = json.dumps({"x": {"value": "x" * 6000}})
    assert "data" in ada.ask(change, config=wide)
    sweep = f"{{method: random, description: {'x' * 6000}, parameters: {{a: {{value: 1}}}}}}"
    assert "delete runs" in ada.ask(register, config=sweep)["errors"][0]["message"]
    assert "data" in ada.ask(change, config=wide)
    assert "data" in ada.ask(change, config="{}")
    assert "data" in ada.ask(register, config=sweep)
    assert "delete runs" in ada.ask(change, config=wide)["errors"][0]["message"]


def test_what_is_deleted_or_logged_anew_counts_no_more(everybody, store):
    ada = everybody["ada"]
    empty = ada.used()
    ada.log("wandb-history.jsonl", 0, '{"x": 1}', '{"x": 2}')
    ada.log("output.log", 0, "one", "two")
    ada.bring("a", 100)
    assert ada.used() > empty + 100
    run = ada.ask(UPSERT)["data"]["upsertBucket"]["bucket"]["id"]
    ada.ask("mutation D($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }", id=run)
    assert ada.used() == 0
    ada.ask(UPSERT)
    ada.log("wandb-history.jsonl", 0, '{"x": 1}')
    ada.ask(UPSERT, host="h")  # a run of the same ID, which starts afresh
    assert ada.used() <= empty + 20
    with store.writing():
        sizes.count_anew(store._db)
        (exact,) = store.execute("SELECT sum(bytes) FROM projects WHERE entity = 'ada'").fetchone()
    assert exact == ada.used()


def test_what_was_kept_counts_after_a_start(everybody, store):
    ada = everybody["ada"]
    assert ada.log("output.log", 0, "x" * 9000)[0] == 200
    again = make_app(store, Authenticator(store, KEYS["local"]), quota=LIMIT)
    with TestClient(again, base_url="http://127.0.0.1") as client:
        assert Somebody(client, "ada").log("output.log", 1, "x" * 2000)[0] == 403


def test_a_file_that_is_replaced_counts_once(everybody):
    for _ in range(5):
        assert everybody["ada"].bring("a", 4000)[0] == 200


def test_what_is_still_coming_in_counts(store):
    with store.writing():
        store.add(User, name="ada", entity="ada", key_hash=None, is_admin=0)
    room = Quota(store, ["ada"], LIMIT)
    with room.arrival("ada", True) as one, room.arrival("ada", False) as two:
        one(LIMIT - 2)
        two(2)
        for more in (one, two):
            with pytest.raises(ForbiddenError):
                more(1)
    with room.arrival("ada", True) as again:
        again(LIMIT - 1)  # what has come in is counted anew: nothing was kept


CLIENT = """
import json, os, urllib.request, wandb
from torch.nn import Linear
from workshop.trainer.best_epoch import BestEpoch

key, url = os.environ["WANDB_API_KEY"], os.environ["WANDB_BASE_URL"]

def send(path, content, method="POST"):
    headers = {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url + path, content, headers, method=method)
    return urllib.request.urlopen(request).read()

def ask(query):
    return json.loads(send("/graphql", json.dumps({"query": query}).encode()))["data"]

def refusal(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except Exception as error:
        return str(error)

def log_model(run, model):
    best = BestEpoch(run.id, model)
    best.update({"Epoch": 1, "Validation Accuracy": 9.5, "Validation Loss": 1.5})
    best.log(run)

artifact = wandb.Artifact("small", "dataset")
with artifact.new_file("small.txt") as file:
    file.write("x" * 1000)
long = wandb.init(project="p", id="long", reinit="create_new")
with wandb.init(project="p", id="first", reinit="create_new") as run:
    log_model(run, Linear(1000, 300))  # larger than the quota
    used = ask('{ entity(name: "ada") { storageBytes } }')["entity"]["storageBytes"]
    files = ask('mutation { createRunFiles(input: {projectName: "p", runName: "first", '
                'files: ["rest"]}) { files { uploadUrl } } }')["createRunFiles"]["files"]
    # Less than the room for a new run is left, but some for what the two bring meanwhile.
    send(files[0]["uploadUrl"].removeprefix(url), bytes(LIMIT - used - 5000), "PUT")
    shown = [refusal(lambda: run.log_artifact(artifact).wait())]
    log_model(run, Linear(9, 9))
    run.log({"x": 1})
long.log({"x": "y" * 50_000})
long.finish()
shown.append(refusal(wandb.init, project="p", id="second"))
shown.append([wandb.Api().run(f"p/{name}").state for name in ("first", "long")])
shown.append(wandb.Api().artifact_exists("p/model-first:best"))
with open("shown.json", "w") as file:
    json.dump(shown, file)
"""


def test_the_client_shows_why(start_server, tmp_path):
    (tmp_path / "people.csv").write_text("name\nada\n")
    server = start_server("--roster", str(tmp_path / "people.csv"), "--quota", str(2**20 / 2**30))
    key = read_key(key_file(server.store, "ada"))
    code = CLIENT.replace("LIMIT", str(2**20))
    status, output = server.run(sys.executable, "-c", code, WANDB_API_KEY=key)
    assert status == 0, output
    for_artifact, for_run, states, has_model = json.loads((server.home / "shown.json").read_text())
    assert "delete runs, files or artifacts" in for_artifact
    assert "delete runs, files or artifacts" in for_run
    assert states == ["finished", "failed"]
    assert "Fatal error while uploading data" in output
    # Neither a model whose upload is refused nor one that can't even begin to be logged fails its
    # run, which has ended its training.
    (too_large, no_room) = re.findall(r"the model is not logged \((.*)\), but the run", output)
    assert "uploads (1/1) have failed" in too_large
    assert "delete runs, files or artifacts" in no_room
    assert not has_model
