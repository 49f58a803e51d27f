"""Every document of the installed client is served, or is in the list of what is not."""

import json

import pytest
import wandb
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    get_operation_ast,
    parse,
    type_from_ast,
)
from starlette.testclient import TestClient

from maintenance.not_served import COMMAND, PAGE, Document, documents, page
from sweepserver.api.graphql import SCHEMA
from sweepserver.app import make_app
from sweepserver.people.auth import Authenticator
from sweepserver.store.database import Store

VALUES = {
    "agentID": "QWdlbnQ6MQ==", "alias": "latest", "artifactID": "QXJ0aWZhY3Q6MQ==",
    "artifactTypeName": "dataset", "clientID": "client", "collection": "data",
    "collectionName": "data", "artifactCollectionName": "data", "digest": "digest",
    "entity": "local", "entityName": "local", "filters": "{}", "metadata": "{}",
    "metricName": "_step", "modelName": "p", "order": "+created_at", "project": "p",
    "projectName": "p", "run": "r", "runName": "r",
    "specs": '{"keys": ["loss"]}', "sweep": "s", "type": "dataset",
}  # fmt: skip
NAMES = {"ArtifactMembershipByName": "data:latest", "GetProject": "p", "GetTeamEntity": "local"}


def test_documents_are_found_in_all_places():
    places = {document.asked_by for document in documents()}
    assert {"wandb-core", "_create_runs_query", "Run.delete", "User.create"} <= places
    assert len({document.name for document in documents()}) > 150


def test_what_is_not_served_is_listed():
    assert PAGE.read_text() == page(), (
        f"What the server serves, or what wandb {wandb.__version__} asks, has changed: look at it, "
        f"then run `{COMMAND}`."
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An application whose project p has a run, an artifact and a sweep of ID s."""
    store = Store(tmp_path_factory.mktemp("conformance") / "store")
    key = "local-" + "0123456789" * 4
    app = make_app(store, Authenticator(store, key))
    with TestClient(app, raise_server_exceptions=False) as client:
        client.auth = ("api", key)
        run = 'mutation A { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }'
        sweep = """mutation B { upsertSweep(input: {projectName: "p", config:
            "{method: grid, parameters: {lr: {values: [1, 2]}}}"}) { sweep { name } } }"""
        artifact = """mutation C { createArtifact(input: {entityName: "local", projectName: "p",
            artifactTypeName: "dataset", artifactCollectionName: "data", digest: "d",
            clientID: "client", runName: "r"}) { artifact { id } } }"""
        for query in (run, sweep, artifact):
            assert client.post("/graphql", json={"query": query}).status_code == 200
        with store.writing():
            store.execute("UPDATE sweeps SET name = 's'")
            store.execute("UPDATE artifacts SET version = 0")
            store.execute("INSERT INTO aliases VALUES (1, 1, 1, 'latest')")
        yield client
    store.close()


def test_a_served_document_has_an_answer(filled, subtests):
    for document in filter(lambda document: document.is_served, documents()):
        with subtests.test(document.name):
            check_answer(filled, document)


def check_answer(filled: TestClient, document: Document) -> None:
    operation = get_operation_ast(parse(document.text))
    variables = {
        definition.variable.name.value: value_of(
            type_from_ast(SCHEMA, definition.type), definition.variable.name.value, document.name
        )
        for definition in operation.variable_definitions or ()
    }
    request = {"query": document.text, "variables": variables}
    reply = filled.post("/graphql", json=request)
    if operation.operation.value == "query":
        assert reply.status_code == 200, reply.text
    assert reply.status_code < 500
    assert "failed inside" not in reply.text, reply.text


def value_of(kind: object, name: str, operation: str) -> object:
    """Return a value that a variable or an input field of a type may have."""
    if isinstance(kind, GraphQLNonNull):
        return value_of(kind.of_type, name, operation)
    if isinstance(kind, GraphQLList):
        return [value_of(kind.of_type, name, operation)]
    if isinstance(kind, GraphQLInputObjectType):
        return {field: value_of(part.type, field, operation) for field, part in kind.fields.items()}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    scalars = {"Boolean": True, "Float": 1.5, "Int": 2, "Int64": 2, "Duration": 2}
    if kind.name in scalars:
        return scalars[kind.name]
    if kind.name == "JSONString":
        return VALUES.get(name, json.dumps({}))
    if kind.name == "ID":
        name = {"id": "artifactID", "artifact_id": "artifactID"}.get(name, name)
    return NAMES.get(operation, "r") if name == "name" else VALUES.get(name, "x")


def test_a_document_that_is_not_served_is_refused_with_a_sentence(filled):
    for document in documents():
        if not document.is_served:
            reply = filled.post("/graphql", json={"query": document.text})
            assert reply.status_code == 400
            message = reply.json()["errors"][0]["message"]
            assert message.startswith(f"{document.name} is not served by the workshop's local W&B")
            assert "Did you mean" not in message
