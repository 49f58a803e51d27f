import gzip
import json

import pytest

from sweepserver.store.records import Run

URL = "/files/local/p/r/file_stream"
HISTORY = """
query H($specs: [JSONString!]!) { project(name: "p") { run(name: "r") {
  state historyLineCount historyKeys summaryMetrics systemMetrics
  history events: events
  sampledHistory(specs: $specs)
  parquetHistory(liveKeys: ["_step"]) { parquetUrls liveData }
} } }"""


@pytest.fixture(autouse=True)
def _run(graphql):
    graphql('mutation R { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }')


def history(offset: int, *rows: str) -> dict:
    return {"files": {"wandb-history.jsonl": {"offset": offset, "content": list(rows)}}}


def rows(first: int, count: int) -> list[str]:
    return [json.dumps({"_step": i, "loss": 1 / (i + 1)}) for i in range(first, first + count)]


def read(graphql, **spec) -> dict:
    spec = {"keys": ["_step", "loss"]} | spec
    return graphql(HISTORY, specs=[json.dumps(spec)])["project"]["run"]


def test_repeated_and_reordered_posts_change_nothing(client, graphql):
    for offset, count in ((0, 3), (0, 3), (5, 2), (3, 2), (4, 3)):
        assert client.post(URL, json=history(offset, *rows(offset, count))).status_code == 200
    run = read(graphql)
    assert [json.loads(row)["_step"] for row in run["history"]] == list(range(7))
    assert run["historyLineCount"] == 7
    assert run["historyKeys"]["lastStep"] == 6


def test_history_keys_count_each_row_once_and_dot_nested_names(client, graphql):
    row = '{"_step": 0, "d": {"a": 1}, "text": "x", "image": {"_type": "image-file", "path": "p"}}'
    for _ in range(2):
        client.post(URL, json=history(0, row))
    keys = read(graphql)["historyKeys"]["keys"]
    assert keys["d.a"] == {"typeCounts": [{"type": "number", "count": 1}], "previousValue": 1}
    assert keys["image"] == {"typeCounts": [{"type": "image-file", "count": 1}]}
    assert keys["text"]["typeCounts"][0]["type"] == "string"


def test_nan_and_infinity_stay_in_rows_and_become_strings_in_json(client, graphql):
    client.post(URL, json=history(0, '{"_step": 0, "loss": NaN, "best": -Infinity}'))
    run = read(graphql, keys=["_step", "loss", "best"])
    assert run["history"] == ['{"_step": 0, "loss": NaN, "best": -Infinity}']
    assert run["sampledHistory"] == [[{"_step": 0, "loss": "NaN", "best": "-Infinity"}]]


def test_samples_are_spread_evenly_over_the_rows_that_have_the_keys(client, graphql):
    client.post(URL, json=history(0, *rows(0, 100), '{"_step": 100, "other": 1}'))
    (sample,) = read(graphql, samples=4)["sampledHistory"]
    assert [row["_step"] for row in sample] == [0, 33, 66, 99]
    (sample,) = read(graphql, minStep=10, maxStep=12)["sampledHistory"]
    assert [row["_step"] for row in sample] == [10, 11, 12]


def test_a_scan_starts_at_the_first_step(client, graphql):
    assert read(graphql)["parquetHistory"] == {"parquetUrls": [], "liveData": []}
    client.post(URL, json=history(0, *rows(7, 2)))
    assert read(graphql)["parquetHistory"]["liveData"] == [{"_step": 7}]


def test_history_pages_are_complete_and_leave_out_their_last_step(client, graphql):
    client.post(URL, json=history(0, *rows(0, 10)))
    query = """query HistoryPage { project(name: "p") { run(name: "r") {
      history(minStep: 2, maxStep: 5, samples: 1) } } }"""
    page = graphql(query)["project"]["run"]["history"]
    assert [json.loads(row)["_step"] for row in page] == [2, 3, 4]


def test_the_last_summary_and_the_last_system_metrics_count(client, graphql):
    files = {
        "wandb-summary.json": {"offset": 0, "content": ['{"a": 1}', '{"a": 2}']},
        "wandb-events.jsonl": {"offset": 0, "content": ['{"cpu": 1}', '{"cpu": 2}']},
    }
    client.post(URL, json={"files": files})
    run = read(graphql)
    assert json.loads(run["summaryMetrics"]) == {"a": 2}
    assert json.loads(run["systemMetrics"]) == {"cpu": 2}
    assert run["events"] == ['{"cpu": 1}', '{"cpu": 2}']


def test_console_lines_can_be_replaced_and_read_from_both_ends(client, graphql):
    lines = [
        "2026-11-23T16:18:04.486185 one",
        "ERROR 2026-11-23T16:18:05.1 two",
        "progress  10%",
    ]
    console = {"output.log": {"offset": 0, "content": lines}}
    client.post(URL, json={"files": console})
    client.post(URL, json={"files": {"output.log": {"offset": 2, "content": ["progress 100%"]}}})
    query = """query L($first: Int, $after: String, $last: Int) {
      project(name: "p") { run(name: "r") { logLineCount
        logLines(first: $first, after: $after, last: $last) {
          edges { node { number timestamp level line } }
          pageInfo { endCursor hasNextPage } } } } }"""
    run = graphql(query, first=2)["project"]["run"]
    assert run["logLineCount"] == 3
    assert [e["node"] for e in run["logLines"]["edges"]] == [
        {"number": 0, "timestamp": "2026-11-23T16:18:04.486185", "level": "info", "line": "one"},
        {"number": 1, "timestamp": "2026-11-23T16:18:05.1", "level": "error", "line": "two"},
    ]
    cursor = run["logLines"]["pageInfo"]["endCursor"]
    rest = graphql(query, first=2, after=cursor)["project"]["run"]["logLines"]
    assert [e["node"]["line"] for e in rest["edges"]] == ["progress 100%"]
    assert not rest["pageInfo"]["hasNextPage"]
    last = graphql(query, last=1)["project"]["run"]["logLines"]["edges"]
    assert [e["node"]["number"] for e in last] == [2]


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (1, "failed"), (255, "failed")])
def test_the_exit_code_decides_the_state(client, graphql, code, state):
    client.post(URL, json={"complete": True, "exitcode": code})
    assert read(graphql)["state"] == state


def test_a_run_that_is_ordered_to_stop_learns_it_with_its_next_post(client, graphql):
    assert client.post(URL, json={}).json() == {"stopped": False}
    run = graphql('{ project(name: "p") { run(name: "r") { id } } }')["project"]["run"]["id"]
    graphql("mutation S($id: ID!) { stopRun(input: {id: $id}) { success } }", id=run)
    assert client.post(URL, json={}).json() == {"stopped": True}


def test_zipped_posts_are_taken(client, graphql):
    body = gzip.compress(json.dumps(history(0, *rows(0, 2))).encode())
    assert client.post(URL, content=body, headers={"Content-Encoding": "gzip"}).status_code == 200
    assert read(graphql)["historyLineCount"] == 2


def test_a_zipped_bomb_is_refused(client):
    body = gzip.compress(b" " * (64 * 2**20))
    reply = client.post(URL, content=body, headers={"Content-Encoding": "gzip"})
    assert reply.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"files": 3}',
        b'{"files": {"output.log": 3}}',
        b'{"files": {"output.log": {"offset": "0", "content": []}}}',
        b'{"files": {"output.log": {"offset": -1, "content": ["x"]}}}',
        b'{"files": {"output.log": {"offset": 0, "content": [3]}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{}", "no json"]}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": 0, "content": ["[1]"]}}}',
        b'{"exitcode": "one"}',
        b'{"exitcode": 2147483648}',
        b'{"complete": "yes"}',
        b'{"files": {"output.log": {"offset": 2147483647, "content": ["x"]}}}',
        b'{"files": {"output.log": {"offset": true, "content": ["x"]}}}',
    ],
)
def test_a_post_that_cannot_be_read_is_refused_as_a_whole(client, store, body):
    assert client.post(URL, content=body).status_code == 400
    (run,) = store.all(Run)
    assert run.history_lines == run.log_lines == 0


def test_half_characters_are_kept_as_question_marks(client, graphql):
    client.post(URL, content=b'{"files": {"output.log": {"offset": 0, "content": ["a\\ud83d"]}}}')
    query = '{ project(name: "p") { run(name: "r") { logLines { edges { node { line } } } } } }'
    edges = graphql(query)["project"]["run"]["logLines"]["edges"]
    assert edges[0]["node"]["line"] == "a?"


def test_a_post_of_an_unknown_run_or_without_key_is_refused(client):
    assert client.post("/files/local/p/other/file_stream", json={}).status_code == 404
    client.auth = None
    assert client.post(URL, json={}).status_code == 401
