"""Who searches a sweep, over the API: bayes in its own process, schedulers, controllers."""

import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from sweepserver.scheduling import compute, proposals
from sweepserver.scheduling.compute import ComputeError
from sweepserver.scheduling.silence import Silence
from tests.waiting import patience

BAYES = {
    "method": "bayes",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"x": {"values": [1, 2, 3, 4, 5, 6]}},
}
GRID = {"method": "grid", "parameters": {"x": {"values": [1, 2, 3]}}}
UPSERT = """
mutation UpsertSweep($id: ID, $config: String, $state: String, $controller: JSONString,
                     $priorRunsFilters: JSONString) {
  upsertSweep(input: {id: $id, config: $config, state: $state, controller: $controller,
                      priorRunsFilters: $priorRunsFilters, projectName: "p"}) {
    sweep { id name state bestLoss controllerRunName scheduler runCount runCountExpected }
    configValidationWarnings
  }
}"""
SWEEP = """
query Sweep($name: String!) {
  project(name: "p") { sweep(sweepName: $name) {
    id state bestLoss scheduler runCount runCountExpected
    runs { edges { node { name state config sweepName } } }
    priorRuns { edges { node { name sweepName } } }
  } }
}"""
CREATE_AGENT = """
mutation CreateAgent($sweep: String!) {
  createAgent(input: {host: "h", sweep: $sweep, projectName: "p"}) { agent { id } }
}"""
HEARTBEAT = """
mutation Heartbeat($id: ID!) { agentHeartbeat(input: {id: $id, runState: "{}"}) { commands } }
"""
UPSERT_RUN = """
mutation UpsertBucket($name: String, $sweep: String, $summary: JSONString, $config: JSONString) {
  upsertBucket(input: {name: $name, modelName: "p", sweep: $sweep, summaryMetrics: $summary,
                       config: $config}) { bucket { id name sweepName state config } }
}"""
ENQUEUE = """
mutation EnqueueSweepRun($id: ID!, $config: JSONString!, $displayName: String) {
  enqueueSweepRun(input: {id: $id, config: $config, displayName: $displayName}) {
    id runQueueItemId
  }
}"""


class Api:
    """What clients ask of the application."""

    def __init__(self, client, graphql):
        self.client = client
        self.graphql = graphql

    def register(self, config: dict, **values) -> dict:
        return self.graphql(UPSERT, config=json.dumps(config), **values)["upsertSweep"]["sweep"]

    def sweep(self, name: str) -> dict:
        sweep = self.graphql(SWEEP, name=name)["project"]["sweep"]
        return sweep | {"runs": [edge["node"] for edge in sweep["runs"]["edges"]]}

    def agent(self, sweep: dict) -> str:
        return self.graphql(CREATE_AGENT, sweep=sweep["name"])["createAgent"]["agent"]["id"]

    def beat(self, agent: str) -> list[dict]:
        return json.loads(self.graphql(HEARTBEAT, id=agent)["agentHeartbeat"]["commands"])

    def run(self, name: str, **values) -> dict:
        return self.graphql(UPSERT_RUN, name=name, **values)["upsertBucket"]["bucket"]

    def finish(self, name: str) -> None:
        body = {"complete": True, "exitcode": 0}
        self.client.post(f"/files/local/p/{name}/file_stream", json=body).raise_for_status()

    def refusal(self, query: str, **values) -> tuple[int, str]:
        reply = self.client.post("/graphql", json={"query": query, "variables": values})
        return reply.status_code, reply.json()["errors"][0]["message"]


@pytest.fixture
def api(client, graphql, monkeypatch) -> Api:
    """Returns who asks the server, and waits until its libraries are loaded, however long."""
    monkeypatch.setattr(compute, "LONGEST_WAIT_S", patience(300))
    monkeypatch.setattr(proposals, "LONGEST_TURN_S", patience(300))
    monkeypatch.setattr(proposals, "LONGEST_ANSWER_S", patience(300))
    return Api(client, graphql)


def test_agents_that_ask_at_once_are_given_different_points(api: Api):
    sweep = api.register(BAYES)
    agents = [api.agent(sweep) for _ in range(6)]
    given = []
    threads = [threading.Thread(target=lambda a=a: given.extend(api.beat(a))) for a in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(command["args"]["x"]["value"] for command in given) == [1, 2, 3, 4, 5, 6]


def test_nobody_else_waits_while_a_point_is_computed(api: Api, tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    run = api.client.app.state.compute.run
    busy = threading.Thread(target=run, args=("pathlib:Path.read_text", pipe))
    busy.start()  # until somebody writes into the pipe
    bayes, grid = api.register(BAYES), api.register(GRID)
    given = []
    waiting = threading.Thread(target=lambda: given.extend(api.beat(api.agent(bayes))))
    waiting.start()
    try:
        assert api.beat(api.agent(grid))[0]["args"] == {"x": {"value": 1}}
        assert api.sweep(bayes["name"])["state"] == "PENDING"
        assert given == []
    finally:
        pipe.write_text("done")
    waiting.join()
    assert given[0]["type"] == "run"


def test_an_agent_asks_again_if_no_point_can_be_computed_now(api: Api, monkeypatch, caplog):
    sweep = api.register(BAYES)
    agent = api.agent(sweep)
    full = threading.BoundedSemaphore(1)
    full.acquire()
    monkeypatch.setattr(api.client.app.state.compute, "_places", full)
    with caplog.at_level(logging.WARNING):
        for _ in range(proposals.FAILURES_IN_A_ROW - 1):
            assert api.beat(agent) == []
            forget_heartbeats(api)
    told = [record for record in caplog.records if "has no next point yet" in record.message]
    assert len(told) == 1
    assert api.sweep(sweep["name"])["runs"] == []
    assert api.beat(agent)[0]["type"] == "run"  # at random, rather than never


def test_who_asks_again_asks_for_the_same_point(api: Api, monkeypatch):
    """So that what lasts longer than an agent waits is found by its next question."""
    asked = []

    def run(function: str, config: dict, past: list, seed: int) -> dict:
        if seed:  # 0 is only to warm the process
            asked.append((config, past, seed))
        if len(asked) < 3:
            raise ComputeError("goes on")
        return {"x": 4}

    sweep = api.register(GRID | {"method": "random"})
    monkeypatch.setattr(api.client.app.state.compute, "run", run)
    api.graphql(UPSERT, id=sweep["id"], config=json.dumps(BAYES))
    agent = api.agent(sweep)
    for _ in range(2):
        assert api.beat(agent) == []
        forget_heartbeats(api)
    assert api.beat(agent)[0]["args"]["x"]["value"] == 4
    assert asked[0] == asked[1] == asked[2]


def test_an_agent_asks_again_if_too_many_wait_for_a_computation(api: Api, monkeypatch):
    sweep = api.register(BAYES)
    monkeypatch.setattr(proposals, "LONGEST_TURN_S", 0.1)
    found = api.client.app.state.lifecycle.proposals
    with found.turn(api.client.app.state.store.find(proposals.Sweep, name=sweep["name"])):
        assert api.beat(api.agent(sweep)) == []


def test_a_point_that_comes_too_late_for_its_agent_is_not_given_away(api: Api, monkeypatch):
    monkeypatch.setattr(proposals, "LONGEST_ANSWER_S", 0)
    sweep = api.register(BAYES)
    assert api.beat(api.agent(sweep)) == []
    assert api.sweep(sweep["name"])["runs"] == []


def test_a_sweep_goes_on_at_random_where_bayes_fails(api: Api, monkeypatch, caplog):
    monkeypatch.setattr(proposals, "BAYES", "math:sqrt")
    sweep = api.register(BAYES)
    assert api.beat(api.agent(sweep))[0]["args"]["x"]["value"] in range(1, 7)
    assert "continuing at random" in caplog.text


def test_what_bayes_lacks_is_said_once_in_a_sentence(api: Api, monkeypatch, caplog):
    monkeypatch.setattr(proposals, "BAYES", "sweepserver.no_such_package:suggest")
    sweep = api.register(BAYES)
    for _ in range(2):
        assert api.beat(api.agent(sweep))[0]["args"]["x"]["value"] in range(1, 7)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == (
        f"Sweep {sweep['name']} is searched at random, because bayes needs packages that are not "
        "installed (No module named 'sweepserver.no_such_package'): install optuna, scipy and "
        "torch, and start the server again."
    )
    assert not record.exc_info


def forget_heartbeats(api: Api) -> None:
    """Let the next heartbeat of an agent not be taken for a repetition."""
    state = api.client.app.state
    state.lifecycle.silence = Silence()
    with state.store.writing():
        state.store.execute("UPDATE agents SET heartbeat_at = 0")


def test_prior_runs_join_a_sweep_and_count_as_tried(api: Api):
    for name, x in (("one", 1), ("three", 3)):
        api.run(name, config=json.dumps({"x": {"value": x}}), summary='{"loss": 2}')
        api.finish(name)
    prior = json.dumps({"$or": [{"name": "one"}, {"name": "three"}]})
    metric = {"name": "loss", "goal": "minimize"}
    sweep = api.register(GRID | {"metric": metric}, priorRunsFilters=prior)
    assert (sweep["runCount"], sweep["bestLoss"]) == (2, 2)
    agent = api.agent(sweep)
    (command,) = api.beat(agent)
    assert command["args"] == {"x": {"value": 2}}
    api.finish(command["run_id"])
    api.run("synced", sweep=sweep["name"])
    found = api.sweep(sweep["name"])
    assert found["state"] == "FINISHED"
    assert found["priorRuns"] == {
        "edges": [{"node": {"name": name, "sweepName": sweep["name"]}} for name in ("one", "three")]
    }


def test_a_sweep_may_begin_with_many_runs(api: Api):
    names = [f"r{number}" for number in range(45)]
    for number, name in enumerate(names):
        api.run(name, config=json.dumps({"x": {"value": number}}))
        api.finish(name)
    prior = json.dumps({"$or": [{"name": name} for name in names]})
    grid = GRID | {"parameters": {"x": {"values": list(range(50))}}}
    sweep = api.register(grid, priorRunsFilters=prior)
    assert (sweep["runCount"], sweep["runCountExpected"]) == (45, 50)


def test_prior_runs_are_known_though_the_clock_is_set_back(api: Api, monkeypatch):
    api.run("one", config='{"x": {"value": 1}}')
    api.finish("one")
    lifecycle = api.client.app.state.lifecycle
    monkeypatch.setattr(lifecycle, "_clock", lambda: time.time() - 3600)
    sweep = api.register(GRID, priorRunsFilters='{"$or": [{"name": "one"}]}')
    monkeypatch.setattr(lifecycle, "_clock", lambda: time.time() - 7200)
    api.run("synced", sweep=sweep["name"])
    found = api.sweep(sweep["name"])
    assert [edge["node"]["name"] for edge in found["priorRuns"]["edges"]] == ["one"]
    assert len(found["runs"]) == 2


def test_a_prior_run_of_another_sweep_leaves_it(api: Api):
    first = api.register(GRID)
    (command,) = api.beat(api.agent(first))
    api.finish(command["run_id"])
    prior = json.dumps({"$or": [{"name": command["run_id"]}]})
    second = api.register(GRID, priorRunsFilters=prior)
    assert (second["runCount"], second["runCountExpected"]) == (1, 3)
    assert api.sweep(first["name"])["runs"] == []
    assert len(api.sweep(second["name"])["priorRuns"]["edges"]) == 1
    assert api.beat(api.agent(second))[0]["args"] == {"x": {"value": 2}}


def test_runs_beside_the_grid_do_not_count_as_its_points(api: Api):
    for name in ("beside", "twice", "again"):
        config = {"x": {"value": 77 if name == "beside" else 1}}
        api.run(name, config=json.dumps(config))
        api.finish(name)
    prior = json.dumps({"$or": [{"name": name} for name in ("beside", "twice", "again")]})
    sweep = api.register(GRID, priorRunsFilters=prior)
    assert (sweep["runCount"], sweep["runCountExpected"]) == (3, 5)
    for x in (2, 3):
        (command,) = api.beat(api.agent(sweep))
        assert command["args"] == {"x": {"value": x}}
        api.finish(command["run_id"])
    seen = api.sweep(sweep["name"])
    assert (seen["state"], seen["runCountExpected"]) == ("FINISHED", 5)
    page = api.client.get(f"/local/p/sweeps/{sweep['name']}").text
    assert "5 of 5" in page


def test_a_program_cannot_replace_what_its_sweep_picked_and_its_user_can(api: Api):
    sweep = api.register(GRID)
    (first,) = api.beat(api.agent(sweep))
    replaced = json.dumps({"x": {"value": 99}, "more": {"value": 1}})
    bucket = api.run(first["run_id"], config=replaced)
    assert json.loads(bucket["config"]) == {"x": {"value": 1}, "more": {"value": 1}}
    assert json.loads(api.run(first["run_id"], config="{}")["config"]) == {"x": {"value": 1}}
    api.finish(first["run_id"])
    (second,) = api.beat(api.agent(sweep))
    assert second["args"] == {"x": {"value": 2}}
    bucket = api.run(first["run_id"], config=replaced)
    assert json.loads(bucket["config"])["x"] == {"value": 99}
    assert api.sweep(sweep["name"])["runCountExpected"] == 4, "1 is to be tried again"


def test_what_is_not_known_in_a_configuration_is_accepted_with_a_warning(api: Api):
    config = GRID | {"early_stopping": {}, "parameters_": {}, "kind": "sweep"}
    answer = api.graphql(UPSERT, config=json.dumps(config))["upsertSweep"]
    assert answer["configValidationWarnings"] == [
        "section 'early_stopping' is not known (did you mean 'early_terminate'?)",
        "section 'parameters_' is not known (did you mean 'parameters'?)",
    ]
    assert answer["sweep"]["state"] == "PENDING"


def test_a_prior_run_that_cannot_join_is_told_and_no_sweep_is_registered(api: Api):
    def refused(*names: str) -> str:
        filters = json.dumps({"$or": [{"name": name} for name in names]})
        status, message = api.refusal(UPSERT, config=json.dumps(GRID), priorRunsFilters=filters)
        assert status in (400, 404)
        return message

    api.run("ended")
    api.finish("ended")
    assert "There is no run 'missing' in the project local/p" in refused("ended", "missing")
    api.run("live")
    assert "The run live is running; wait for its end" in refused("live")
    for filters in ('{"state": "finished"}', '{"$or": [{"name": {}}]}', '{"$or": 1}'):
        status, message = api.refusal(UPSERT, config=json.dumps(GRID), priorRunsFilters=filters)
        assert (status, "named by their IDs" in message) == (400, True)
    assert api.graphql('{ project(name: "p") { totalSweeps } }')["project"]["totalSweeps"] == 0


def test_a_scheduler_enqueues_runs_and_has_a_hidden_run_for_its_console(api: Api):
    sweep = api.register(GRID | {"scheduler": {"engine": "wandb"}})
    console = api.run(sweep["controllerRunName"])
    assert console["name"] != sweep["name"]
    queued = api.graphql(
        ENQUEUE, id=sweep["id"], config='{"x": {"value": 5}, "y": 6}', displayName="mine"
    )["enqueueSweepRun"]
    listed = api.graphql(
        '{ project(name: "p") { runCount runs { edges { node { name displayName state } } } } }'
    )["project"]
    assert listed["runCount"] == 1
    assert [edge["node"] for edge in listed["runs"]["edges"]] == [
        {"name": queued["id"], "displayName": "mine", "state": "pending"}
    ]
    (command,) = api.beat(api.agent(sweep))
    assert command["run_id"] == queued["id"]
    assert command["args"] == {"x": {"value": 5}, "y": {"value": 6}}
    api.graphql(UPSERT, id=sweep["id"], state="FINISHED")
    assert "takes no more runs" in api.refusal(ENQUEUE, id=sweep["id"], config="{}")[1]


def test_a_local_controller_proposes_and_stops_and_says_when_nothing_is_left(api: Api):
    sweep = api.register(GRID | {"controller": {"type": "local"}})
    one, two = api.agent(sweep), api.agent(sweep)
    assert api.beat(one) == []
    entry = {"id": "s1", "data": {"args": {"x": {"value": 9}}}}
    api.graphql(UPSERT, id=sweep["id"], controller=json.dumps({"schedule": [entry]}))
    (command,) = api.beat(two)
    assert command["args"] == {"x": {"value": 9}}
    forget_heartbeats(api)
    assert api.beat(one) == []
    scheduled = json.loads(api.sweep(sweep["name"])["scheduler"])["scheduled"]
    assert scheduled == [{"id": "s1", "runid": command["run_id"]}]
    end = {"schedule": [{"id": "s2", "data": {"args": None}}], "earlystop": [command["run_id"]]}
    api.graphql(UPSERT, id=sweep["id"], controller=json.dumps(end))
    assert api.sweep(sweep["name"])["state"] == "RUNNING"
    forget_heartbeats(api)
    assert api.beat(two) == [{"type": "exit"}]
    found = api.sweep(sweep["name"])
    assert found["state"] == "FINISHED"
    assert [run["state"] for run in found["runs"]] == ["killed"]


@pytest.mark.parametrize(
    "controller",
    [
        "[]",
        '{"schedule": [{}]}',
        '{"schedule": [{"id": "a", "data": {"args": {"x": 1}}}]}',
        '{"earlystop": [1]}',
    ],
)
def test_a_controller_that_writes_something_else_is_refused(api: Api, controller: str):
    sweep = api.register(GRID | {"controller": {"type": "local"}})
    status, message = api.refusal(UPSERT, id=sweep["id"], controller=controller)
    assert status == 400
    assert "controller must" in message


def test_the_best_value_follows_the_goal_and_leaves_out_what_is_no_number(api: Api):
    for goal, best in (("minimize", -1.5), ("maximize", 4)):
        sweep = api.register(GRID | {"metric": {"name": "inner.loss", "goal": goal}})
        for i, value in enumerate(("4", "-1.5", "NaN", '"a"', "true", f"1{'0' * 400}")):
            summary = f'{{"inner": {{"loss": {value}}}}}'
            api.run(f"{goal}{i}", sweep=sweep["name"], summary=summary)
        assert api.sweep(sweep["name"])["bestLoss"] == best
    assert api.register(GRID)["bestLoss"] is None


SWEEPS = """query GetSweeps($filters: JSONString!) {
  project(name: "p") { sweeps(filters: $filters) { edges { node { name } } } } }"""


def test_sweeps_are_filtered(api: Api):
    first = api.register(GRID | {"name": "first"})
    second = api.register(BAYES)
    api.graphql(UPSERT, id=second["id"], state="PAUSED")

    def found(condition: dict) -> list[str]:
        edges = api.graphql(SWEEPS, filters=json.dumps(condition))["project"]["sweeps"]["edges"]
        return [edge["node"]["name"] for edge in edges]

    assert found({}) == [second["name"], first["name"]]
    assert found({"state": "PAUSED"}) == [second["name"]]
    assert found({"$or": [{"name": first["name"]}, {"method": "random"}]}) == [first["name"]]
    assert found({"config.method": {"$ne": "grid"}}) == [second["name"]]
    assert found({"displayName": "first"}) == [first["name"]]
    status, message = api.refusal(SWEEPS, filters=json.dumps({"nothing": 1}))
    assert status == 400
    assert "Sweeps cannot be selected or sorted by 'nothing'" in message


def test_a_sweep_of_another_project_is_told_where_it_is(api: Api):
    sweep = api.register(GRID)
    api.graphql('mutation { upsertModel(input: {name: "q"}) { inserted } }')
    query = 'query S($name: String!) { project(name: "q") { sweep(sweepName: $name) { state } } }'
    status, message = api.refusal(query, name=sweep["name"])
    assert status == 400
    assert f"name it local/p/{sweep['name']}, or unset WANDB_PROJECT" in message
    assert api.graphql(query, name="missing") == {"project": {"sweep": None}}


def test_only_a_deleted_sweep_is_a_404_for_an_agent(api: Api):
    agent = api.agent(api.register(GRID))
    assert api.refusal(HEARTBEAT.replace('"{}"', '"[]"'), id=agent)[0] == 400
    store = api.client.app.state.store
    with store.writing():
        store.remove(store.find(proposals.Sweep, id=1))
    status, message = api.refusal(HEARTBEAT, id=agent)
    assert (status, message) == (404, f"There is no agent with the ID '{agent}'.")


def test_a_run_is_taken_back_or_the_error_says_why_not(api: Api):
    query = """mutation RewindRun($run: String!, $metric: String!) {
      rewindRun(input: {runName: $run, projectName: "p", metricName: $metric, metricValue: 1.0}) {
        rewoundRun { name historyLineCount } } }"""
    api.run("r")
    rows = [json.dumps({"_step": i}) for i in range(4)]
    body = {"files": {"wandb-history.jsonl": {"offset": 0, "content": rows}}}
    api.client.post("/files/local/p/r/file_stream", json=body).raise_for_status()
    rewound = api.graphql(query, run="r", metric="_step")["rewindRun"]["rewoundRun"]
    assert rewound == {"name": "r", "historyLineCount": 2}
    assert "not of 'loss'" in api.refusal(query, run="r", metric="loss")[1]
    assert api.refusal(query, run="x", metric="_step")[1] == "There is no run local/p/x to rewind."


def test_a_fork_of_a_run_that_is_not_there_is_told(api: Api):
    config = json.dumps({"_wandb": {"value": {"branch_point": {"run_id": "x", "step": 1}}}})
    assert (
        "no run 'x' in this project to fork from"
        in api.refusal(UPSERT_RUN, name="fork", config=config)[1]
    )


def test_rows_that_a_sync_sends_again_behind_the_others_are_there_once(api: Api):
    api.run("r")

    def post(offset: int, *rows: dict) -> None:
        content = [json.dumps(row) for row in rows]
        body = {"files": {"wandb-history.jsonl": {"offset": offset, "content": content}}}
        api.client.post("/files/local/p/r/file_stream", json=body).raise_for_status()

    rows = [{"_step": i, "loss": float("nan"), "i": i} for i in range(4)]
    post(0, *rows[:2])
    post(2, *[dict(reversed(row.items())) for row in rows])
    post(6, {"_step": 3, "i": "another value at the same step"}, {"_step": 4, "i": 4})
    query = """{ project(name: "p") { run(name: "r") {
      historyLineCount history(minStep: 0, maxStep: 9) historyKeys } } }"""
    run = api.graphql(query)["project"]["run"]
    seen = [json.loads(row)["i"] for row in run["history"]]
    assert seen == [0, 1, 2, 3, "another value at the same step", 4]
    assert run["historyLineCount"] == 8
    counts = run["historyKeys"]["keys"]["i"]["typeCounts"]
    assert {count["type"]: count["count"] for count in counts} == {"number": 5, "string": 1}
