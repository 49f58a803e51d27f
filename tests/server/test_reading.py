"""Reading beside the writer, within an allowance; and whose turn it is to write."""

import json
import threading

import pytest
import yaml

from sweepserver.allowance import Allowance
from sweepserver.api import filestream
from sweepserver.errors import RequestError
from sweepserver.queues import ASKING, FairLock
from sweepserver.store import additions, definitions, history
from sweepserver.store import database as store_module
from sweepserver.store.database import Store
from sweepserver.store.quota import Quota
from sweepserver.store.records import Project, Run
from tests.waiting import patience, wait_for


@pytest.fixture
def project(store: Store) -> Project:
    with store.writing():
        return store.add(Project, entity="local", name="p", created_at=0)


def add_run(store: Store, project: Project, name: str) -> Run:
    values = {"user": "local", "display_name": name, "state": "finished"}
    times = {"created_at": 0, "heartbeat_at": 0}
    return store.add(Run, project_id=project.id, name=name, **values, **times)


def in_thread(function, *arguments) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def test_who_reads_keeps_no_writer_waiting_and_sees_nothing_of_it(store: Store, project: Project):
    def write() -> None:
        with store.writing():
            add_run(store, project, "r")

    with store.reading():
        assert store.count(Run) == 0
        version = store.version
        writer = in_thread(write)
        writer.join(patience(30))
        assert not writer.is_alive()
        assert store.count(Run) == 0
        assert store.version == version
    with store.reading():
        assert store.count(Run) == 1
        assert store.version != version


def test_a_reading_that_failed_shows_nothing_to_the_next_one(store: Store, project: Project):
    with store.writing():
        for name in "abc":
            add_run(store, project, name)
    left = []

    def fail() -> None:
        with store.reading():
            left.append(store.stream("SELECT name FROM runs"))
            next(left[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.writing():
        add_run(store, project, "d")
    with store.reading():
        assert store.count(Run) == 4


def test_who_writes_has_a_version_of_its_own(store: Store, project: Project):
    with store.writing():
        version = store.version
        add_run(store, project, "r")
        with store.reading():  # within its own transaction
            assert store.count(Run) == 1
    with store.reading():
        assert store.version != version


def test_on_a_network_file_system_reading_and_writing_take_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "journal_mode", lambda folder: "DELETE")
    store = Store(tmp_path / "store")
    seen = []

    def write() -> None:
        with store.writing():
            seen.append(store.add(Project, entity="local", name="p", created_at=0))

    with store.reading():
        writer = in_thread(write)
        wait_for(lambda: store._lock._waiting, "the writer waits")
        assert store.count(Project) == 0
        assert not seen
    writer.join(patience(30))
    with store.reading():
        assert store.count(Project) == 1
    store.close()


def test_no_more_is_read_than_allowed(store: Store, project: Project):
    with store.writing():
        add_run(store, project, "r" * 100_000)
    with pytest.raises(RequestError, match="more than 0 MiB"), store.reading(Allowance(50_000)):
        store.all(Run)
    with store.reading(Allowance(1_000_000)):
        assert len(store.all(Run)) == 1
    with store.reading(Allowance(50_000)):  # what is not kept does not count
        assert len([*store.stream("SELECT display_name FROM runs")]) == 1


def test_no_longer_is_read_than_allowed(store: Store, project: Project):
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    with (
        pytest.raises(RequestError, match=r"longer than 0\.2 seconds"),
        store.reading(Allowance(50_000, seconds=0.2)),
    ):
        store.execute(f"{numbers} SELECT count(*) FROM n").fetchone()
    with store.reading():
        assert store.count(Run) == 0


def test_participants_write_in_turn_and_one_alone_in_the_order_of_arrival():
    lock, order = FairLock(), []

    def take(who: str, number: int) -> None:
        ASKING.set(who)
        with lock:
            order.append((who, number))

    ASKING.set("mallory")
    with lock:
        waiting = []
        for who, number in [("mallory", 1), ("mallory", 2), ("eve", 3), ("mallory", 4), ("ada", 5)]:
            waiting.append(in_thread(take, who, number))
            wait_for(lambda: sum(map(len, lock._waiting.values())) == len(waiting), every=0.001)
    for thread in waiting:
        thread.join(patience(30))
    assert order == [("eve", 3), ("mallory", 1), ("ada", 5), ("mallory", 2), ("mallory", 4)]


def test_many_lines_are_deleted_in_parts(store: Store, project: Project, monkeypatch):
    monkeypatch.setattr(history, "ROWS_DELETED_AT_ONCE", 10)
    with store.writing():
        run, other = add_run(store, project, "r"), add_run(store, project, "s")
        for owner in (run, other):
            rows = [(owner.id, line, line, "{}") for line in range(25)]
            store.execute_many("INSERT INTO history VALUES (?, ?, ?, ?)", rows)
    history.delete_in_parts(store, run)
    with store.reading():
        assert history.count_history(store, run) == 0
        assert history.count_history(store, other) == 25


CONFIGS = [
    "method: grid\nparameters: {a: {values: [1, 2.5, x, true, null, 2026-01-31]}}",
    "base: &b {x: 1, y: 2}\na: {<<: *b, y: 3}\nb: {<<: [*b, {z: 4}]}",
    "a: &a [1, 2]\nb: [*a, *a]",
    "", "text", "- 1\n- 2", "a: 1:30:00", "a: 1e-5\nb: 1.0e-5", "{a: {b: {c: {}}}}",
]  # fmt: skip


@pytest.mark.parametrize("text", CONFIGS)
def test_a_configuration_is_read_as_yaml_says(text):
    assert definitions.read(text) == yaml.safe_load(text)


def test_configurations_are_kept_as_far_as_there_is_room(monkeypatch):
    monkeypatch.setattr(definitions, "MOST_CHARACTERS_KEPT", 100)
    known = definitions.Definitions()
    texts = [f"a: {'x' * 40}{i}" for i in range(5)]
    first = known.read(texts[0])
    assert known.read(texts[0]) is first
    for text in texts:
        known.read(text)
    assert list(known._kept) == texts[-2:]
    assert known.read(texts[0]) == first


FORK = """mutation F($config: JSONString) {
  upsertBucket(input: {name: "fork", modelName: "p", config: $config}) { inserted } }"""
REWIND = """mutation R { rewindRun(input: {entityName: "local", projectName: "p", runName: "r",
  metricName: "_step", metricValue: 1}) { rewoundRun { id } } }"""


def test_a_history_is_forked_and_rewound_only_if_it_is_short(client, store, project, monkeypatch):
    monkeypatch.setattr(history, "MOST_REREAD_ROWS", 10)
    with store.writing():
        run = add_run(store, project, "r")
        store.change(run, history_lines=11)
    point = {"_wandb": {"value": {"branch_point": {"run_id": "r", "step": 1}}}}
    for query in (FORK, REWIND):
        body = {"query": query, "variables": {"config": json.dumps(point)}}
        reply = client.post("/graphql", json=body)
        assert reply.status_code == 400
        assert "has 11 history rows" in reply.json()["errors"][0]["message"]


def test_a_history_of_long_rows_is_neither_forked_nor_rewound(client, store, project, monkeypatch):
    monkeypatch.setattr(history, "MOST_REREAD_CHARACTERS", 100)
    with store.writing():
        run = store.change(add_run(store, project, "r"), history_lines=2)
        rows = [(run.id, line, line, json.dumps({"x": "y" * 60})) for line in range(2)]
        store.execute_many("INSERT INTO history VALUES (?, ?, ?, ?)", rows)
    point = {"_wandb": {"value": {"branch_point": {"run_id": "r", "step": 1}}}}
    for query in (FORK, REWIND):
        reply = client.post(
            "/graphql", json={"query": query, "variables": {"config": json.dumps(point)}}
        )
        assert reply.status_code == 400
        assert "more than 100 characters" in reply.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("rows", "is_quick"),
    [
        ([{"loss": 1}], True),
        ([{"loss": 1, "_step": 0}], False),
        ([{"x": "y" * additions.MUCH_CHARACTERS}], False),
    ],
    ids=["short", "of a step that was there", "long"],
)
def test_what_takes_long_to_add_is_reckoned_while_others_write(
    store, project, monkeypatch, rows, is_quick
):
    with store.writing():
        run = add_run(store, project, "r")
    path, quick = ("local", "p", "r"), []
    first = additions.parsed(additions.HISTORY, 0, [json.dumps({"loss": 0, "_step": 5})])
    filestream.keep(store, Quota(store, [], 0), path, {additions.HISTORY: first})
    of = additions.of
    monkeypatch.setattr(
        additions, "of", lambda *given: quick.append(store._lock._is_held) or of(*given)
    )
    part = additions.parsed(additions.HISTORY, 6, list(map(json.dumps, rows)))
    filestream.keep(store, Quota(store, [], 0), path, {additions.HISTORY: part})
    assert quick == [is_quick]
    with store.reading():
        assert history.count_history(store, run) == 2


def test_what_a_sample_holds_counts_as_soon_as_it_is_read():
    """Numbers take far more memory than their text."""
    allowance, read = Allowance(100_000), []
    rows = (read.append(i) or {"x": [0.5] * 100} for i in range(1000))
    with pytest.raises(RequestError, match="reads and answers more"):
        allowance.taken(rows)
    assert len(read) < 20
    allowance = Allowance(100_000)
    found = allowance.taken({"x": [0.5] * 100} for _ in range(9))
    allowance.take(found)  # they have been counted


def test_what_is_worked_on_one_by_one_takes_no_longer_than_allowed():
    worked = Allowance(100, seconds=-1).in_time([1, 2, 3])
    with pytest.raises(RequestError, match="takes longer"):
        next(worked)


def test_a_page_reads_less_than_a_query(client, store, project, monkeypatch):
    monkeypatch.setattr(store_module, "MOST_SHOWN_BYTES", 100_000)
    with store.writing():
        store.change(add_run(store, project, "r"), summary=json.dumps({"x": "y" * 100_000}))
    assert client.get("/local/p").status_code == 400
    query = '{ project(name: "p") { run(name: "r") { summaryMetrics } } }'
    assert client.post("/graphql", json={"query": query}).status_code == 200
