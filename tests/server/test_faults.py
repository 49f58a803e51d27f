"""What goes wrong around a server: disks, connections, bodies.  Nothing acknowledged is lost."""

import gzip
import json
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tests.fixtures.requirements import lacking
from tests.fixtures.server import attempt
from tests.waiting import patience, wait_for, wait_for_text

RUN = 'mutation R { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }'
UPSERT = """mutation U($config: JSONString, $summary: JSONString) {
  upsertBucket(input: {name: "r", modelName: "p", config: $config, summaryMetrics: $summary}) {
    inserted } }"""
READ = """{ project(name: "p") { run(name: "r") {
  historyLineCount history config summaryMetrics historyKeys systemMetrics state } } }"""
POSTS = "/files/local/p/r/file_stream"
LOGGING = """
import pathlib, sys, time, wandb
with wandb.init(project="p", id="real") as run:
    for i in range(60):
        run.log({"i": i, "text": "x" * 2000})
        pathlib.Path("logging").touch()
        time.sleep(0.1)
"""


def rows_post(offset: int, count: int = 20, width: int = 1000) -> dict:
    content = [json.dumps({"_step": offset + i, "text": "x" * width}) for i in range(count)]
    return {"files": {"wandb-history.jsonl": {"offset": offset, "content": content}}}


def message_of(reply: httpx2.Response) -> str:
    return reply.json()["errors"][0]["message"]


class Logger:
    """A run that posts rows until something goes wrong, and sees afterwards that all are there."""

    def __init__(self, server):
        self.server, self.acknowledged = server, 0
        self.http = httpx2.Client(
            auth=("api", server.key), base_url=server.url, timeout=patience(180)
        )
        server.graphql(RUN)

    def post(self) -> httpx2.Response:
        reply = self.http.post(POSTS, json=rows_post(self.acknowledged))
        self.acknowledged += 20 * (reply.status_code == 200)
        return reply

    def post_until_refused(self) -> httpx2.Response:
        while (reply := self.post()).status_code == 200:
            assert self.acknowledged < 50_000
        return reply

    def ask(self, query: str, **variables) -> httpx2.Response:
        return self.http.post("/graphql", json={"query": query, "variables": variables})

    def check(self) -> None:
        """See that every acknowledged row is there exactly once, in order."""
        run = self.server.graphql(READ)["project"]["run"]
        assert run["historyLineCount"] == self.acknowledged
        assert [json.loads(row)["_step"] for row in run["history"]] == [*range(self.acknowledged)]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts small file systems; skips, or fails where it is required, if it cannot."""
    mounted = []

    def mount(options: str, folder: Path = tmp_path / "disk") -> Path:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "none", folder]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lacking("mount", f"no file system can be mounted: {done.stderr.strip()}")
        if folder not in mounted:
            mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


# ---- disks ----


def fill(path: Path) -> None:
    """Write a file that takes all the room there is."""
    with suppress(OSError):
        path.write_bytes(b"x" * 10_000_000)
    assert shutil.disk_usage(path).free == 0


def test_a_full_disk_loses_nothing_that_was_acknowledged(start_server, mount):
    disk = mount("size=3m")
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    server = start_server(store=disk / "store")
    logger = Logger(server)
    reply = logger.post_until_refused()
    assert reply.status_code == 507
    assert message_of(reply) == f"The disk of the store folder {server.store} is full."
    assert logger.post().status_code == 507
    upload = logger.ask(
        'mutation F { createRunFiles(input: {projectName: "p", runName: "r", files: ["f"]}) '
        "{ files { uploadUrl } } }"
    ).json()["data"]["createRunFiles"]["files"][0]["uploadUrl"]
    assert logger.http.put(upload, content=b"x" * 2_000_000).status_code == 507
    assert logger.ask(UPSERT, summary=json.dumps({"x": "x" * 500_000})).status_code == 507
    logger.check()
    ballast.unlink()
    assert logger.post().status_code == 200
    assert logger.http.put(upload, content=b"x" * 100_000).status_code == 200
    logger.check()
    assert (server.home / "server.log").read_text().count("is full") == 1
    server.stop()


def test_a_real_run_waits_until_the_disk_has_room_again(start_server, mount):
    disk = mount("size=4m")
    ballast = disk / "ballast"
    server = start_server(store=disk / "store")
    server.graphql(RUN)
    client = server.popen(sys.executable, "-c", LOGGING)
    wait_for_text(server.home / "logging", "", client)
    fill(ballast)
    wait_for_text(server.home / "server.log", "is full", client)
    ballast.unlink()
    output, _ = client.communicate(timeout=patience(180))
    assert client.returncode == 0, output
    query = READ.replace('"r"', '"real"')
    run = server.graphql(query)["project"]["run"]
    assert [json.loads(row)["i"] for row in run["history"]] == list(range(60))
    assert run["state"] == "finished"
    server.stop()


def test_a_disk_that_fails_for_a_while_loses_nothing(start_server):
    server = start_server()
    logger = Logger(server)
    for _ in range(5):
        assert logger.post().status_code == 200
    limit = resource.RLIMIT_FSIZE  # writing beyond it fails, like on a broken disk
    resource.prlimit(server.process.pid, limit, (1000, resource.RLIM_INFINITY))
    reply = logger.post()
    assert reply.status_code == 503
    assert message_of(reply).startswith(f"The store folder {server.store} cannot be written")
    assert logger.ask(UPSERT, config='{"a": {"value": 1}}').status_code == 503
    logger.check()
    resource.prlimit(server.process.pid, limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert logger.post().status_code == 200
    server.kill()
    logger.server = start_server(port=int(server.url.rsplit(":", 1)[1]))
    logger.check()


def test_a_read_only_folder_is_refused_and_left_as_it_is(start_server, mount):
    disk = mount("size=8m")
    server = start_server(store=disk / "used")
    logger = Logger(server)
    logger.post()
    server.stop()
    mount("remount,ro")
    for store in (disk, disk / "new", disk / "used"):
        status, error = attempt("--store", str(store), "--port", "0")
        assert status == 2
        assert "cannot be written (Read-only file system)" in error
        assert len(error.splitlines()) == 1
    mount("remount,rw")
    logger.server = start_server(store=disk / "used")
    logger.check()
    logger.server.stop()


def test_a_server_does_not_start_on_a_full_disk_but_on_one_with_room(start_server, mount):
    disk = mount("size=1m")
    ballast = disk / "ballast"
    fill(ballast)
    status, error = attempt("--store", str(disk / "store"), "--port", "0")
    assert status == 2
    assert "free some space" in error
    assert len(error.splitlines()) == 1
    ballast.unlink()
    server = start_server(store=disk / "store")
    Logger(server).check()
    server.stop()


def leave_little(disk: Path) -> None:
    """Leave half a MiB of a disk."""
    with suppress(OSError), (disk / "ballast").open("ab") as ballast:
        ballast.write(bytes(shutil.disk_usage(disk).free - 2**19))


def test_uploads_leave_so_much_of_the_disk_that_the_server_starts_and_says_so(start_server, mount):
    disk = mount("size=20m")
    server = start_server(store=disk / "store")
    logger = Logger(server)
    names = [f"f{number}" for number in range(12)]
    query = """mutation F($files: [String!]!) {
      createRunFiles(input: {projectName: "p", runName: "r", files: $files}) {
        files { uploadUrl } } }"""
    files = logger.ask(query, files=names).json()["data"]["createRunFiles"]["files"]
    brought = [logger.http.put(file["uploadUrl"], content=bytes(2**21)) for file in files]
    assert {reply.status_code for reply in brought} == {200, 507}
    leave_little(disk)
    assert logger.post().status_code == 507
    for _ in range(2):
        assert logger.http.post(POSTS, json={}).status_code == 200  # a sign of life
        assert logger.post().status_code == 507
    assert (server.home / "server.log").read_text().count("is full") == 1
    server.stop()
    leave_little(disk)  # what SQLite has given back
    logger.server = server = start_server(store=disk / "store")
    wait_for(lambda: "the disk" in (server.home / "server.log").read_text(), "it warns", every=0.01)
    logger.http = httpx2.Client(auth=("api", server.key), base_url=server.url)
    found = server.graphql("""{ project(name: "p") { run(name: "r") {
      files { edges { node { id } } } } } }""")["project"]["run"]["files"]["edges"]
    delete = "mutation D($ids: [ID!]!) { deleteFiles(input: {files: $ids}) { success } }"
    ids = [edge["node"]["id"] for edge in found]
    assert logger.ask(delete, ids=ids).status_code == 200
    assert logger.post().status_code == 200
    logger.check()


def test_posts_that_do_not_fit_leave_room_for_those_that_do(start_server, mount):
    disk = mount("size=20m")
    logger = Logger(start_server(store=disk / "store"))
    lines = 0
    while (reply := logger.http.post(POSTS, json=rows_post(lines, 4, 900_000))).is_success:
        lines += 4
    assert reply.status_code == 507
    config = {"config": json.dumps({"x": {"value": "x" * 900_000}})}
    for _ in range(20):
        logger.ask(
            'mutation C($config: JSONString) { upsertBucket(input: {name: "r", '
            'modelName: "p", config: $config}) { inserted } }',
            **config,
        )
    assert shutil.disk_usage(disk).free > 2**20
    assert logger.http.post(POSTS, json=rows_post(lines)).status_code == 200


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_journals_of_another_time_are_harmless(start_server, suffix):
    server = start_server()
    logger = Logger(server)
    logger.post()
    server.stop()
    (server.store / f"store.sqlite{suffix}").write_bytes(b"left over" * 1000)
    logger.server = start_server()
    logger.check()


def test_a_database_of_the_other_journal_mode_is_taken_over(start_server):
    server = start_server()
    logger = Logger(server)
    logger.post()
    server.stop()
    database = sqlite3.connect(server.store / "store.sqlite")
    assert database.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    database.close()
    logger.server = start_server()
    logger.check()


# ---- connections and bodies ----


def test_half_a_body_leaves_no_trace(start_server):
    server = start_server()
    logger = Logger(server)
    logger.post()
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps(rows_post(20)).encode()
    request = httpx2.Request("POST", server.url + POSTS, content=body)
    logger.http.auth.auth_flow(request).__next__()
    head = f"POST {POSTS} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items()
    )
    for length in (0, 1, len(body) // 2, len(body) - 1):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}\r\n".encode() + body[:length])
    logger.check()
    logger.post()
    logger.check()
    assert "Traceback" not in (server.home / "server.log").read_text()


def test_a_body_without_end_is_refused_before_it_fills_the_memory(start_server):
    server = start_server()
    logger = Logger(server)
    before = resident(server.process.pid)

    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 2**20

    for path in (POSTS, "/graphql"):
        with suppress(httpx2.TransportError):  # it may hang up before the client has heard why
            assert logger.http.post(path, content=endless()).status_code == 413
    bomb = gzip.compress(b" " * (128 * 2**20))
    reply = logger.http.post(POSTS, content=bomb, headers={"Content-Encoding": "gzip"})
    assert reply.status_code == 413
    assert resident(server.process.pid) - before < 100 * 2**20
    logger.post()
    logger.check()


def resident(process: int) -> int:
    """Return how many bytes of memory a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.parametrize("spelling", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_lacks_are_kept_everywhere(client, graphql, spelling):
    config = f'{{"a": {{"value": {spelling}}}, "b": {{"value": [{{"c": {spelling}}}]}}}}'
    summary = f'{{"loss": {spelling}, "deep": {{"loss": {spelling}}}}}'
    row = f'{{"_step": 0, "loss": {spelling}}}'
    graphql(UPSERT, config=config, summary=summary)
    files = {
        "wandb-history.jsonl": {"offset": 0, "content": [row]},
        "wandb-events.jsonl": {"offset": 0, "content": [row]},
        "wandb-summary.json": {"offset": 0, "content": [summary]},
    }
    assert client.post(POSTS, json={"files": files}).status_code == 200
    run = graphql(READ)["project"]["run"]
    assert (run["config"], run["summaryMetrics"]) == (config, summary)
    assert run["history"] == [row]
    assert run["historyKeys"]["keys"]["loss"]["previousValue"] == spelling
    assert json.loads(run["systemMetrics"])["loss"] == pytest.approx(
        float(spelling.lower()), nan_ok=True
    )
    listing = """query L($filters: JSONString, $order: String) { project(name: "p") {
      runs(filters: $filters, order: $order) { edges { node { name } } } } }"""
    for order in ("-summary_metrics.loss", "+config.a", "+summary_metrics.deep.loss"):
        runs = graphql(listing, filters='{"state": "running"}', order=order)["project"]["runs"]
        assert len(runs["edges"]) == 1
    page = client.get("/local/p/runs/r")
    assert page.status_code == 200
    assert client.get("/local/p").status_code == 200
