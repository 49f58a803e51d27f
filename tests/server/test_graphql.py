import json

import pytest
from wandb.proto.wandb_internal_pb2 import ServerFeature

from sweepserver.api.graphql import SCHEMA, checked, snake_case
from sweepserver.api.resolvers import MUTATION, QUERY, agents, files, projects, runs, sweeps, users
from sweepserver.api.resolvers.artifacts import collections
from sweepserver.api.resolvers.artifacts import nodes as artifacts

SWEEP = "{method: grid, program: train.py, parameters: {lr: {values: [0.1, 0.2]}}}"
BOMB = "".join(f"b{i}: &b{i} [{', '.join(9 * [f'*b{i - 1}' if i else 'x'])}]\n" for i in range(12))
UPSERT_SWEEP = """
mutation UpsertSweep($id: ID, $config: String, $project: String, $entity: String, $state: String) {
  upsertSweep(input: {id: $id, config: $config, projectName: $project, entityName: $entity,
                      state: $state}) {
    sweep { id name state runCountExpected project { name entity { name } } }
    configValidationWarnings
  }
}"""
UPSERT_RUN = """
mutation UpsertBucket($input: UpsertBucketInput!) {
  upsertBucket(input: $input) {
    bucket { id name displayName sweepName historyLineCount state config
             project { name entity { name } } }
    inserted
  }
}"""
RUN = """
query Run($project: String, $name: String!) {
  project(name: $project) { run(name: $name) {
    id state config summaryMetrics tags notes group jobType historyKeys exitcode
  } }
}"""


def test_every_field_of_the_schema_has_an_answer():
    nodes = [
        ("User", users.UserNode),
        ("Member", users.UserNode),
        ("Entity", users.EntityNode),
        ("Project", projects.ProjectNode),
        ("Sweep", sweeps.SweepNode),
        ("Agent", agents.AgentNode),
        ("Run", runs.RunNode),
        ("File", files.FileNode),
        ("Artifact", artifacts.ArtifactNode),
        ("ArtifactAlias", artifacts.AliasNode),
        ("ArtifactType", collections.TypeNode),
        ("ArtifactSequence", collections.CollectionNode),
        ("ArtifactCollectionMembership", collections.MembershipNode),
        ("ArtifactManifest", artifacts.ManifestNode),
        ("File", artifacts.ArtifactFileNode),
    ]
    set_in_init = {name for _, node in nodes for name in node.__init__.__code__.co_names} | set(
        runs.HistoryFields.__dict__
    )
    missing = {
        f"{kind}.{name}"
        for kind, node in nodes
        for name in SCHEMA.type_map[kind].fields
        if snake_case(name) not in set_in_init and not hasattr(node, snake_case(name))
    }
    assert not missing
    assert {snake_case(name) for name in SCHEMA.query_type.fields} == set(QUERY)
    assert {snake_case(name) for name in SCHEMA.mutation_type.fields} == set(MUTATION)


def test_a_document_is_parsed_once():
    text = "query Viewer { viewer { id } }"
    assert checked(text) is checked(text)


def test_unknown_fields_of_input_variables_are_dropped(graphql):
    values = {"name": "x", "modelName": "p", "cloudRegionID": None, "labels": ["a"]}
    data = graphql(UPSERT_RUN, input=values)
    assert data["upsertBucket"]["bucket"]["name"] == "x"


def test_a_document_that_is_not_served_says_so(client):
    query = "mutation CreateTeam { createTeam(input: {}) { entity { id } } }"
    reply = client.post("/graphql", json={"query": query})
    assert reply.status_code == 400
    message = reply.json()["errors"][0]["message"]
    assert message.startswith("CreateTeam is not served by the workshop's local W&B server")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"query": 3}',
        b'{"query": "{"}',
        b'{"query": "query A { viewer { id } } query B { viewer { id } }"}',
        b'{"query": "query A { viewer { id } }", "operationName": "C"}',
        b'{"query": "subscription A { viewer { id } }"}',
        b'{"query": "query A($x: Int!) { models(first: $x) { edges { cursor } } }"}',
        b'{"query": "query A { viewer { id } }", "variables": 3}',
        b'{"query": "' + b"{a" * 5000 + b'"}',
        b"[" * 100_000,
    ],
)
def test_a_request_that_cannot_be_read_is_refused_and_never_repeated(client, body):
    reply = client.post("/graphql", content=body)
    assert reply.status_code == 400
    assert reply.json()["errors"][0]["message"].endswith((".", '"'))


def test_a_request_above_the_cap_is_refused(client):
    assert client.post("/graphql", content=b" " * (17 * 2**20)).status_code == 413


def test_a_wrong_key_is_refused_with_a_sentence(client):
    for auth in (("api", "local-" + "9" * 40), ("api", ""), None):
        client.auth = auth
        reply = client.post("/graphql", json={"query": "{ viewer { id } }"})
        assert reply.status_code == 401
        assert "API key" in reply.json()["errors"][0]["message"]


def test_a_mutation_with_an_error_leaves_no_trace(client, graphql):
    query = """mutation Two {
      a: upsertModel(input: {name: "new"}) { inserted }
      b: upsertModel(input: {name: "bad/name"}) { inserted }
    }"""
    assert client.post("/graphql", json={"query": query}).status_code == 400
    data = graphql("{ models { edges { node { name } } } }")
    assert data["models"]["edges"] == []


def test_a_sweep_is_registered_in_a_project_that_is_made(graphql):
    data = graphql(UPSERT_SWEEP, config=SWEEP, project="p")["upsertSweep"]
    assert len(data["sweep"]["name"]) == 8
    assert data["sweep"]["state"] == "PENDING"
    assert data["sweep"]["runCountExpected"] == 2
    assert data["sweep"]["project"] == {"name": "p", "entity": {"name": "local"}}
    assert data["configValidationWarnings"] == []


def test_the_newest_sweep_of_a_project_comes_first_and_pages_follow_each_other(graphql):
    names = [
        graphql(UPSERT_SWEEP, config=SWEEP, project="p")["upsertSweep"]["sweep"]["name"]
        for _ in range(3)
    ]
    query = """query GetSweeps($after: String) { project(name: "p") {
      totalSweeps
      sweeps(first: 2, after: $after) { edges { node { name } } pageInfo { endCursor hasNextPage } }
    } }"""
    first = graphql(query)["project"]
    after = first["sweeps"]["pageInfo"]["endCursor"]
    second = graphql(query, after=after)["project"]
    found = [e["node"]["name"] for page in (first, second) for e in page["sweeps"]["edges"]]
    assert found == names[::-1]
    assert first["totalSweeps"] == 3
    assert not second["sweeps"]["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{method: bayes, parameters: {a: {values: [1, 2]}}}", "section 'metric' is missing"),
        ("{method: [", "isn't valid YAML"),
        pytest.param("{method: grid, name: %s}" % ("x" * 200_000), "is too large", id="long"),
        pytest.param(BOMB, "is too large", id="bomb"),
        ("name: 2026-13-01", "isn't valid YAML"),
        ("[" * 5000, "is nested in more than 50 levels"),
        ("just text", "must be a mapping"),
    ],
)
def test_a_sweep_that_cannot_be_served_is_refused_with_a_sentence(client, config, expected):
    body = {"query": UPSERT_SWEEP, "variables": {"config": config, "project": "p"}}
    reply = client.post("/graphql", json=body)
    assert reply.status_code == 400
    assert expected in reply.json()["errors"][0]["message"]


DESCRIBE = """mutation R($config: JSONString) {
  upsertBucket(input: {name: "r", modelName: "p", config: $config}) { inserted } }"""
SPECS = """query H($specs: [JSONString!]!) {
  project(name: "p") { run(name: "r") { sampledHistory(specs: $specs) } } }"""
AMONG = """query A($first: Int, $last: Int, $samples: Int) { project(name: "p") {
  runs(first: $first) { edges { cursor } }
  run(name: "r") { events(samples: $samples) logLines(last: $last) { edges { __typename } } } } }"""
ARTIFACT = """mutation A($step: Int64) { createArtifact(input: {entityName: "local",
  projectName: "p", artifactTypeName: "t", artifactCollectionName: "a", digest: "d",
  historyStep: $step}) { artifact { id } } }"""
HUGE = 10**30


@pytest.mark.parametrize(
    ("query", "values", "expected"),
    [
        (DESCRIBE, {"config": '{"_wandb": 5}'}, "_wandb in the config of a run must be"),
        (DESCRIBE, {"config": '{"_wandb": {"value": []}}'}, "_wandb in the config of a run must"),
        (SPECS, {"specs": ['{"keys": 5}']}, "keys in a history spec must be a list of names"),
        (SPECS, {"specs": ['{"keys": [[]]}']}, "keys in a history spec must be a list of names"),
        (SPECS, {"specs": [f'{{"minStep": {HUGE}}}']}, "minStep of a spec must be"),
        (SPECS, {"specs": ['{"maxStep": "x"}']}, "maxStep of a spec must be an integer of 64 bits"),
        (SPECS, {"specs": ['{"samples": NaN}']}, "samples of a spec must be an integer"),
        (SPECS, {"specs": ['{"samples": -1}']}, "samples of a spec must be an integer"),
        (AMONG, {"first": -1}, "`first` of runs must be an integer of 64 bits, 0 or more"),
        (AMONG, {"last": -1}, "`last` of logLines must be an integer of 64 bits, 0 or more"),
        (AMONG, {"samples": -1}, "`samples` of events must be an integer of 64 bits, 0 or more"),
        (ARTIFACT, {"step": 2**63}, "must be an integer of 64 bits"),
        (ARTIFACT, {"step": True}, "must be an integer of 64 bits"),
    ],
)  # fmt: skip
def test_values_of_a_wrong_type_or_size_are_refused_with_a_sentence(
    client, graphql, query, values, expected
):
    graphql(DESCRIBE, config="{}")
    reply = client.post("/graphql", json={"query": query, "variables": values})
    assert reply.status_code == 400
    assert expected in reply.json()["errors"][0]["message"]


def test_how_many_runs_are_expected_may_take_64_bits_and_is_not_told_beyond(graphql):
    for axes, expected in (("abcdef", 100**6), ("abcdefghij", None)):
        grid = {name: {"min": 1, "max": 100} for name in axes}
        config = json.dumps({"method": "grid", "parameters": grid})
        made = graphql(UPSERT_SWEEP, config=config, project="p")["upsertSweep"]["sweep"]
        query = """query E($name: String!) { project(name: "p") {
          sweep(sweepName: $name) { runCountExpected } } }"""
        assert graphql(query, name=made["name"])["project"]["sweep"]["runCountExpected"] == expected


def test_nobody_writes_to_an_entity_that_does_not_exist(client):
    body = {"query": UPSERT_SWEEP, "variables": {"config": SWEEP, "entity": "somebody"}}
    reply = client.post("/graphql", json=body)
    assert reply.status_code == 404
    message = reply.json()["errors"][0]["message"]
    assert "no entity 'somebody' on this server; yours is 'local'" in message
    assert "WANDB_ENTITY" in message


def test_a_sweep_is_found_by_its_id_alone(graphql):
    name = graphql(UPSERT_SWEEP, config=SWEEP, project="p")["upsertSweep"]["sweep"]["name"]
    query = "query S($s: String!) { project { sweep(sweepName: $s) { name project { name } } } }"
    assert graphql(query, s=name)["project"]["sweep"]["project"]["name"] == "p"
    assert graphql(query, s="missing1")["project"]["sweep"] is None


def test_the_heartbeat_of_an_unknown_agent_is_a_404_that_ends_the_agent(client):
    query = 'mutation Heartbeat { agentHeartbeat(input: {id: "Agent:99"}) { commands } }'
    assert client.post("/graphql", json={"query": query}).status_code == 404


def test_commands_are_a_string_that_holds_a_list(graphql):
    name = graphql(UPSERT_SWEEP, config=SWEEP, project="p")["upsertSweep"]["sweep"]["name"]
    agent = graphql(
        """mutation CreateAgent($sweep: String!) {
          createAgent(input: {host: "h", sweep: $sweep}) { agent { id } } }""",
        sweep=name,
    )["createAgent"]["agent"]["id"]
    commands = graphql(
        """mutation Heartbeat($id: ID!) {
          agentHeartbeat(input: {id: $id, runState: "{}", metrics: "{}"}) { commands } }""",
        id=agent,
    )["agentHeartbeat"]["commands"]
    assert isinstance(commands, str)
    (command,) = json.loads(commands)
    assert command["args"] == {"lr": {"value": 0.1}}
    again = graphql(UPSERT_RUN, input={"name": command["run_id"], "host": "h", "sweep": name})
    assert again["upsertBucket"]["inserted"] is False
    assert again["upsertBucket"]["bucket"]["sweepName"] == name
    assert again["upsertBucket"]["bucket"]["project"]["name"] == "p"


def test_null_leaves_what_is_known_about_a_run(graphql):
    first = {"name": "r", "modelName": "p", "notes": "n", "tags": ["t"], "config": '{"a": {}}'}
    graphql(UPSERT_RUN, input=first)
    graphql(UPSERT_RUN, input={"name": "r", "modelName": "p", "notes": None, "jobType": "train"})
    run = graphql(RUN, project="p", name="r")["project"]["run"]
    assert (run["notes"], run["tags"], run["jobType"]) == ("n", ["t"], "train")
    assert json.loads(run["config"]) == {"a": {}}


def test_the_same_run_id_starts_afresh_unless_it_is_resumed(client, graphql):
    start = {"name": "r", "modelName": "p", "host": "h"}
    run_id = graphql(UPSERT_RUN, input=start)["upsertBucket"]["bucket"]["id"]
    post = {
        "files": {
            "wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0}', '{"_step": 1}']}
        },
        "complete": True,
        "exitcode": 3,
    }
    client.post("/files/local/p/r/file_stream", json=post)
    assert graphql(RUN, project="p", name="r")["project"]["run"]["exitcode"] == 3
    resumed = graphql(UPSERT_RUN, input=start | {"id": run_id})["upsertBucket"]["bucket"]
    assert (resumed["historyLineCount"], resumed["state"]) == (2, "running")
    afresh = graphql(UPSERT_RUN, input=start)["upsertBucket"]["bucket"]
    assert (afresh["historyLineCount"], afresh["id"]) == (0, run_id)
    history = graphql('{ project(name: "p") { run(name: "r") { history } } }')
    assert history["project"]["run"]["history"] == []


def test_a_run_that_comes_from_elsewhere_is_kept_without_its_unknown_sweep(graphql):
    mutation = """mutation($name: String, $sweep: String) { upsertBucket(input: {
        name: $name, modelName: "p", sweep: $sweep, host: "h"}) {
        bucket { name sweepName project { name } } } }"""
    run = graphql(mutation, name="synced", sweep="elsewhere")["upsertBucket"]["bucket"]
    assert run == {"name": "synced", "sweepName": None, "project": {"name": "p"}}


def test_a_run_counts_as_started_for_resuming_once_its_client_left_its_mark(graphql):
    query = """query RunResumeStatus($name: String!) { model(name: "p") {
      bucket(name: $name, missingOk: true) {
        wandbConfig(keys: ["t"]) historyTail eventsTail historyLineCount logLineCount } } }"""
    assert graphql(query, name="r")["model"] is None
    graphql(UPSERT_RUN, input={"name": "r", "modelName": "p", "config": "{}"})
    assert graphql(query, name="missing")["model"]["bucket"] is None
    assert graphql(query, name="r")["model"]["bucket"]["wandbConfig"] == "{}"
    config = json.dumps({"_wandb": {"value": {"t": {"1": [1]}, "x": 2}}})
    graphql(UPSERT_RUN, input={"name": "r", "modelName": "p", "config": config})
    bucket = graphql(query, name="r")["model"]["bucket"]
    assert json.loads(bucket["wandbConfig"]) == {"t": {"1": [1]}}
    assert bucket["historyTail"] == bucket["eventsTail"] == "[]"


def test_runs_are_deleted_with_all_that_belongs_to_them(graphql, client, store):
    run_id = graphql(UPSERT_RUN, input={"name": "r", "modelName": "p"})["upsertBucket"]["bucket"][
        "id"
    ]
    post = {"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{}"]}}, "complete": True}
    client.post("/files/local/p/r/file_stream", json=post)
    graphql("mutation D($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }", id=run_id)
    assert graphql(RUN, project="p", name="r")["project"]["run"] is None
    assert store.execute("SELECT count(*) FROM history").fetchone()[0] == 0


def test_a_sweeps_state_must_be_one(client, graphql):
    sweep = graphql(UPSERT_SWEEP, config=SWEEP)["upsertSweep"]["sweep"]["id"]
    body = {"query": UPSERT_SWEEP, "variables": {"id": sweep, "state": "SLEEPING"}}
    assert client.post("/graphql", json=body).status_code == 400
    changed = graphql(UPSERT_SWEEP, id=sweep, state="PAUSED")["upsertSweep"]["sweep"]
    assert changed["state"] == "PAUSED"


def test_the_client_is_told_only_features_that_it_knows(graphql):
    features = graphql("{ serverInfo { features { name isEnabled } } }")["serverInfo"]["features"]
    assert {feature["name"] for feature in features} < set(ServerFeature.keys())
    assert all(feature["isEnabled"] for feature in features)
