import json
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from sweepserver.file_systems import file_system
from sweepserver.serving import listen
from sweepserver.store.database import Store
from sweepserver.store.folder import journal_mode
from sweepserver.store.migrations import OLDEST, VERSION
from sweepserver.store.records import Project, Run
from tests.fixtures.server import attempt


def test_health_tells_strangers_which_server_it_is_and_not_where(local_server):
    health = httpx2.get(f"{local_server.url}/health").json()
    note = json.loads((local_server.store / "server.json").read_text())
    assert health == {"status": "ok", "instance": note["instance"]}


def test_the_address_is_left_for_others_and_removed_at_a_stop(start_server):
    server = start_server()
    note = server.store / "server.json"
    told = json.loads(note.read_text())
    assert len(told.pop("instance")) == 16
    assert told == {
        "url": server.url,
        "local_url": server.url,
        "certfile": None,
        "pid": server.process.pid,
    }
    for path in (note, server.store / "store.sqlite"):
        assert path.stat().st_mode & 0o777 == 0o600
    server.stop()
    assert server.process.returncode == 0
    assert not note.exists()


@pytest.mark.alone
def test_it_stops_within_two_seconds_with_connections_open(start_server):
    server = start_server()
    host, port = server.url.removeprefix("http://").split(":")
    with (
        httpx2.Client() as idle,
        socket.create_connection((host, int(port))) as sending,
    ):
        idle.get(f"{server.url}/health")
        sending.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        idle.get(f"{server.url}/health")  # what came before it has been read
        begin = time.monotonic()
        server.stop()
    assert time.monotonic() - begin < 2


def test_a_folder_that_is_in_use_is_refused(start_server):
    server = start_server()
    status, error = attempt("--store", str(server.store), "--port", "0")
    assert status == 2
    assert f"in use by another server ({server.url}, process {server.process.pid})" in error
    assert len(error.splitlines()) == 1


def test_a_port_that_is_taken_is_refused(start_server, tmp_path):
    port = start_server().url.rsplit(":", 1)[1]
    status, error = attempt("--store", str(tmp_path / "other"), "--port", port)
    assert status == 2
    assert f"Port {port} of 127.0.0.1 cannot be used (Address already in use)" in error
    assert len(error.splitlines()) == 1


def test_small_replies_are_sent_at_once():
    with listen("127.0.0.1", (0,)) as listener:
        # asyncio sets TCP_NODELAY on nothing else; without, each reply takes 40 ms.
        assert listener.proto == socket.IPPROTO_TCP


def test_a_port_that_is_none_is_refused(tmp_path):
    status, error = attempt("--store", str(tmp_path), "--port", "99999")
    assert (status, error) == (2, "error: --port is 99999, but must be between 0 and 65535.\n")


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    status, error = attempt("--store", str(tmp_path / "file"), "--port", "0")
    assert status == 2
    assert "cannot be written" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        ("PRAGMA user_version = 99", f"has format 99, this server reads format {VERSION}"),
        ("PRAGMA user_version = 1", f"has format 1, this server reads format {VERSION}"),
        (None, "cannot be opened (file is not a database)"),
    ],
)
def test_a_database_that_is_not_ours_is_refused(tmp_path, prepare, expected):
    path = tmp_path / "store" / "store.sqlite"
    path.parent.mkdir()
    if prepare:
        sqlite3.connect(path).execute(prepare).connection.close()
    else:
        path.write_bytes(b"something else " * 100)
    status, error = attempt("--store", str(path.parent), "--port", "0")
    assert status == 2
    assert expected in error
    assert len(error.splitlines()) == 1


OLD_SCHEMA = (Path(__file__).parent / f"format_{OLDEST}.sql").read_text()


def old_database(folder):
    """Write a store of the oldest format that this server reads, and return its connection."""
    folder.mkdir()
    db = sqlite3.connect(folder / "store.sqlite")
    db.executescript(f"{OLD_SCHEMA}; PRAGMA user_version = {OLDEST}")
    return db


def columns(folder):
    """Return the columns of a store's tables, and its indexes."""
    db = sqlite3.connect(folder / "store.sqlite")
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    found = {
        (table, *column[1:])
        for (table,) in tables
        for column in db.execute(f"PRAGMA table_info({table})")
    }
    indexes = db.execute("SELECT name FROM sqlite_schema WHERE type = 'index'").fetchall()
    db.close()
    return found, set(indexes)


def test_a_database_of_the_oldest_format_gets_all_that_a_new_one_has(tmp_path):
    old_database(tmp_path / "old").close()
    for name in ("old", "new"):
        Store(tmp_path / name).close()
    assert columns(tmp_path / "old") == columns(tmp_path / "new"), (
        "raise VERSION in sweepserver/store/migrations.py, and add a step to STEPS"
    )


ROWS = (
    "INSERT INTO projects (entity, name, created_at) VALUES ('ada', 'p', 0)",
    """INSERT INTO sweeps (project_id, name, config, state, created_at, updated_at)
       VALUES (1, 's', '{}', 'RUNNING', 10, 10)""",
    """INSERT INTO runs
       (project_id, name, sweep_id, user, display_name, state, created_at, heartbeat_at)
       VALUES (1, 'before', 1, 'ada', 'before', 'finished', 5, 5),
              (1, 'after', 1, 'ada', 'after', 'finished', 15, 15)""",
    "INSERT INTO console VALUES (1, 0, 'a line'), (2, 0, 'a line')",
)


def test_a_database_of_the_oldest_format_is_brought_to_this_one(tmp_path):
    folder = tmp_path / "store"
    old = old_database(folder)
    for statement in ROWS:
        old.execute(statement)
    old.commit()
    before = list(old.iterdump())
    old.close()
    store, new = Store(folder), Store(tmp_path / "new")
    with new.writing():
        for statement in ROWS:
            new.execute(statement)
    with store.reading(), new.reading():
        assert store.get(Project, 1).bytes == new.get(Project, 1).bytes > 12
        assert [run.is_prior for run in store.all(Run)] == [1, 0]
    new.close()
    store.close()
    copy = folder / f"store.format-{OLDEST}.sqlite"
    assert copy.stat().st_mode & 0o777 == 0o600
    kept = sqlite3.connect(copy)
    assert list(kept.iterdump()) == before
    kept.close()
    Store(folder).close()


def test_the_journal_fits_the_file_system(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"root / ext4 rw 0 0\nserver:/x {tmp_path}/net\\040home nfs4 rw 0 0\n"
        f"host {tmp_path}/net\\040home/scratch lustre rw 0 0\n"
    )
    assert file_system(tmp_path, mounts) == "ext4"
    assert file_system(tmp_path / "net home" / "me", mounts) == "nfs4"
    assert file_system(tmp_path / "net home" / "scratch" / "x", mounts) == "lustre"
    assert file_system(tmp_path, tmp_path / "missing") == ""
    assert journal_mode(tmp_path) in ("WAL", "DELETE")


def test_a_store_with_the_rollback_journal_works_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr("sweepserver.store.database.journal_mode", lambda folder: "DELETE")
    store = Store(tmp_path)
    with store.writing():
        store.add(Project, entity="local", name="p", created_at=0)
    assert not list(tmp_path.glob("*-wal"))
    store.close()


def test_help_names_every_option():
    done = subprocess.run(
        [sys.executable, "-m", "sweepserver", "--help"], capture_output=True, text=True
    )
    for option in ("--store", "--host", "--port"):
        assert option in done.stdout


def test_the_server_imports_nothing_else_of_the_kit():
    code = (
        "import sys, sweepserver.app as a; "
        "print([m for m in sys.modules if m.startswith('workshop.') "
        "and not m.startswith('sweepserver')] "
        "+ [m for m in ('torch', 'wandb', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
