"""Who may write what: every mutation of the schema is tried with a stranger's key."""

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_leaf_type,
)
from starlette.testclient import TestClient

from sweepserver.api.graphql import SCHEMA
from sweepserver.api.resolvers.context import global_id
from sweepserver.app import make_app
from sweepserver.people.auth import Authenticator
from sweepserver.people.roster import Person, admit
from sweepserver.store import records

KEYS = {name: f"local-{name:0<40}" for name in ("local", "ada", "eve", "grace")}
RUN = {"entity": "ada", "project": "p", "run": "r"}
CONFIG = "{method: grid, parameters: {lr: {values: [1, 2]}}}"

# What fields of mutations mean by their names; others get any value of their type.
NAMES = {
    "entityName": "ada",
    "entity": "ada",
    "projectName": "p",
    "project": "p",
    "modelName": "p",
    "runName": "r",
    "artifactCollectionName": "data",
    "artifactTypeName": "dataset",
    "state": "FINISHED",
}


@pytest.fixture
def everybody(store) -> Iterator[dict[str, TestClient]]:
    """A client for each of the owner, two participants and an instructor, and things of ada's."""
    admit(store, [Person("ada"), Person("eve"), Person("grace", is_instructor=True)], KEYS.get)
    app = make_app(store, Authenticator(store, KEYS["local"]))
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as local:
        clients = {"local": local}
        for name in ("ada", "eve", "grace"):
            clients[name] = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        for name, client in clients.items():
            client.auth = ("api", KEYS[name])
        populate(clients["ada"])
        yield clients


def populate(client: TestClient) -> None:
    """Make one of everything that a mutation can name."""

    def execute(query: str, **values) -> dict:
        reply = client.post("/graphql", json={"query": query, "variables": values})
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    sweep = execute(
        """mutation S($config: String!) { upsertSweep(input: {projectName: "p", config: $config})
        { sweep { name } } }""",
        config=CONFIG,
    )["upsertSweep"]["sweep"]["name"]
    execute(
        """mutation A($sweep: String!) {
        createAgent(input: {host: "h", projectName: "p", sweep: $sweep}) { agent { id } } }""",
        sweep=sweep,
    )
    execute('mutation R { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }')
    files = execute(
        """mutation F { createRunFiles(input: {projectName: "p", runName: "r", files: ["f.txt"]})
        { files { uploadUrl } } }"""
    )
    client.put(files["createRunFiles"]["files"][0]["uploadUrl"], content=b"hers")
    artifact = execute(
        """mutation C { createArtifact(input: {entityName: "ada", projectName: "p", runName: "r",
        artifactTypeName: "dataset", artifactCollectionName: "data", digest: "d"})
        { artifact { id } } }"""
    )["createArtifact"]["artifact"]["id"]
    execute(
        """mutation M($id: ID!) { createArtifactManifest(input: {artifactID: $id, name: "m",
        digest: "", entityName: "ada", projectName: "p", runName: "r", type: FULL})
        { artifactManifest { id } } }""",
        id=artifact,
    )


def ids(store) -> list[str]:
    """Return the global ID of a thing of ada's of each kind that has one."""
    kinds = [kind for kind in vars(records).values() if hasattr(kind, "TABLE")]
    return [
        global_id(record)
        for kind in kinds
        if "id" in kind.__dataclass_fields__
        for record in store.all(kind)[:1]
    ]


def value_of(kind, name: str, thing: str, sweep: str) -> object:
    """Return a value for an argument or input field, in which every ID is that of `thing`."""
    if isinstance(kind, GraphQLNonNull):
        return value_of(kind.of_type, name, thing, sweep)
    if isinstance(kind, GraphQLList):
        return [value_of(kind.of_type, name, thing, sweep)]
    if isinstance(kind, GraphQLInputObjectType):
        return {
            field: value_of(item.type, field, thing, sweep) for field, item in kind.fields.items()
        }
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if names_a_thing(name, kind):
        return thing
    by_type = {"JSONString": "{}", "JSON": {}, "Boolean": False, "Float": 1.0}
    by_type |= dict.fromkeys(("Int", "Int64", "Duration"), 1)
    if kind.name in by_type:
        return by_type[kind.name]
    by_name = NAMES | {"sweep": sweep, "config": CONFIG}
    return by_name.get(name, "r")


def attempts(store, name: str) -> Iterator[dict]:
    """Yield a request for each way in which a mutation could reach something of ada's."""
    field = SCHEMA.mutation_type.fields[name]
    sweep = store.find(records.Sweep).name
    variables = ", ".join(f"${argument}: {item.type}" for argument, item in field.args.items())
    passed = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    query = f"mutation M({variables}) {{ {name}({passed}) {selection(field.type)} }}"
    for thing in ids(store):
        values = {
            argument: value_of(item.type, argument, thing, sweep)
            for argument, item in field.args.items()
        }
        yield {"query": query, "variables": values}
        if "input" in values:
            for unset in (names_a_thing, holds_json):
                yield {"query": query, "variables": {"input": without(field, values, unset)}}


def names_a_thing(name: str, kind) -> bool:
    """Tell whether a field holds the ID of something."""
    return str(kind) == "ID" or name == "id"


def holds_json(name: str, kind) -> bool:
    """Tell whether a field holds JSON, in which anything might be wrong."""
    return str(kind) == "JSONString"


def without(field, values: dict, unset) -> dict:
    """Return an input with null in those fields that may be null and that `unset` chooses."""
    types = get_named_type(field.args["input"].type).fields
    return {
        name: None if unset(name, types[name].type) else value
        for name, value in values["input"].items()
    }


def selection(kind) -> str:
    """Return the smallest selection of an object's fields."""
    kind = get_named_type(kind)
    if is_leaf_type(kind):
        return ""
    for name, field in kind.fields.items():
        if is_leaf_type(get_named_type(field.type)):
            return f"{{ {name} }}"
    name, field = next(iter(kind.fields.items()))
    return f"{{ {name} {selection(field.type)} }}"


def content(store) -> list:
    """Return everything that the store keeps, but for who was when heard."""
    tables = [
        name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    rows = [
        [tuple(row) for row in store.execute(f'SELECT * FROM "{name}"')]
        for name in sorted(tables)
        if name not in ("activity", "sqlite_sequence")
    ]
    files = [path for name in ("files", "artifacts") for path in (store.folder / name).rglob("*")]
    return [rows, [(path, path.read_bytes()) for path in sorted(files) if path.is_file()]]


@pytest.mark.parametrize("name", SCHEMA.mutation_type.fields)
def test_a_stranger_can_change_nothing(everybody, store, name):
    before = content(store)
    replies = [everybody["eve"].post("/graphql", json=body) for body in attempts(store, name)]
    assert content(store) == before
    refused = [reply for reply in replies if reply.status_code == 403]
    assert refused, (
        f"{name} never came to the question whose it is: make one of what it names in `populate`, "
        f"or say in `NAMES` what its fields mean; {[reply.text for reply in replies]}"
    )
    for reply in refused:
        message = reply.json()["errors"][0]["message"]
        assert "cannot write to the entity 'ada'" in message
        assert "yours is 'eve'" in message
    assert not any(reply.status_code >= 500 for reply in replies)


@pytest.mark.parametrize("name", SCHEMA.mutation_type.fields)
def test_instructors_and_the_owner_of_the_server_are_never_forbidden(everybody, store, name):
    for person in ("grace", "local"):
        for body in attempts(store, name):
            assert everybody[person].post("/graphql", json=body).status_code not in (401, 403)


def test_the_posts_of_a_run_are_its_owners(everybody, store):
    address = "/files/ada/p/r/file_stream"
    post = {"complete": True, "exitcode": 1}
    before = content(store)
    reply = everybody["eve"].post(address, json=post)
    assert reply.status_code == 403
    assert "cannot write to the entity 'ada'" in reply.json()["errors"][0]["message"]
    assert content(store) == before
    for person in ("ada", "grace"):
        assert everybody[person].post(address, json=post).status_code == 200


def test_everybody_in_the_class_reads_everything(everybody):
    query = """{ project(name: "p", entityName: "ada") {
      readOnly run(name: "r") { state files { edges { node { directUrl } } } }
      sweeps { edges { node { name } } } } }"""
    project = everybody["eve"].post("/graphql", json={"query": query}).json()["data"]["project"]
    assert project["readOnly"]
    (file,) = project["run"]["files"]["edges"]
    (sweep,) = project["sweeps"]["edges"]
    assert everybody["eve"].get(file["node"]["directUrl"]).content == b"hers"
    for page in ("/ada/p", "/ada/p/runs/r", f"/ada/p/sweeps/{sweep['node']['name']}"):
        assert everybody["eve"].get(page).status_code == 200
        everybody["eve"].auth = None
        assert everybody["eve"].get(page).status_code == 401
        everybody["eve"].auth = ("api", KEYS["eve"])


def test_a_participant_uses_an_artifact_of_another(everybody, store):
    run = 'mutation R { upsertBucket(input: {name: "hers", modelName: "q"}) { inserted } }'
    use = """mutation U($id: ID!) { useArtifact(input: {artifactID: $id, entityName: "eve",
        projectName: "q", runName: "hers"}) { artifact { digest } } }"""
    values = {"id": global_id(store.find(records.Artifact))}
    everybody["eve"].post("/graphql", json={"query": run})
    assert everybody["eve"].post("/graphql", json={"query": use, "variables": values}).is_success
    used = """query A($id: ID!) { artifact(id: $id) { usedBy { edges { node {
        name project { entityName } } } } createdBy { ... on Run { name } } } }"""
    reply = everybody["ada"].post("/graphql", json={"query": used, "variables": values}).json()
    assert reply["data"]["artifact"] == {
        "usedBy": {"edges": [{"node": {"name": "hers", "project": {"entityName": "eve"}}}]},
        "createdBy": {"name": "r"},
    }


def test_the_run_of_an_instructor_in_the_entity_of_another_says_whose_it_is(everybody):
    run = {"name": "help", "modelName": "p", "entityName": "ada"}
    query = "mutation R($input: UpsertBucketInput!) { upsertBucket(input: $input) { inserted } }"
    everybody["grace"].post("/graphql", json={"query": query, "variables": {"input": run}})
    query = '{ project(name: "p", entityName: "ada") { run(name: "help") { user { name } } } }'
    data = everybody["ada"].post("/graphql", json={"query": query}).json()["data"]
    assert json.dumps(data).count("grace") == 1


ADDRESSES = """mutation A($artifact: ID!, $md5: String!) {
  createRunFiles(input: {entityName: "ada", projectName: "p", runName: "r", files: ["f.txt"]}) {
    files { uploadUrl } }
  createArtifactFiles(input: {artifactFiles: [{artifactID: $artifact, name: "x", md5: $md5}]}) {
    files { edges { node { uploadUrl } } } } }"""


def statuses(client: TestClient, addresses: list[str]) -> list[int]:
    """Return how somebody without a key fares who brings and fetches bytes at some addresses."""
    client.auth = None
    file, blob = addresses
    asked = [client.put(file, content=b"x"), client.put(blob, content=b"x"), client.get(blob)]
    return [reply.status_code for reply in asked]


def test_addresses_of_files_are_void_with_the_key_of_whom_they_were_given_to(everybody, store):
    artifact = global_id(store.find(records.Artifact))
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    body = {"query": ADDRESSES, "variables": {"artifact": artifact, "md5": md5}}

    def addresses(person: str) -> list[str]:
        found = everybody[person].post("/graphql", json=body).json()["data"]
        (file,) = found["createRunFiles"]["files"]
        (blob,) = found["createArtifactFiles"]["files"]["edges"]
        return [file["uploadUrl"], blob["node"]["uploadUrl"]]

    theirs = {person: addresses(person) for person in ("grace", "ada")}
    for name in theirs:
        assert statuses(everybody[name], theirs[name]) == [200, 200, 200]
    # Ada has left the class, and Grace is no instructor any more.
    admit(store, [Person("grace")], KEYS.get)
    client = TestClient(
        make_app(store, Authenticator(store, KEYS["local"])), base_url="http://127.0.0.1"
    )
    assert statuses(client, theirs["ada"]) == [403, 403, 403]
    assert statuses(client, theirs["grace"]) == [403, 200, 200]
    admit(store, [Person("ada")], KEYS.get)
    client = TestClient(
        make_app(store, Authenticator(store, KEYS["local"])), base_url="http://127.0.0.1"
    )
    assert statuses(client, theirs["ada"]) == [200, 200, 200]
    renewed = KEYS | {"ada": KEYS["ada"].replace("0", "1")}
    admit(store, [Person("ada")], renewed.get)
    client = TestClient(
        make_app(store, Authenticator(store, KEYS["local"])), base_url="http://127.0.0.1"
    )
    assert statuses(client, theirs["ada"]) == [403, 403, 403]
