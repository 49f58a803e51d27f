"""One SQLite file that holds everything but the bytes of uploaded files.

There is one connection and one lock: whoever writes holds the lock for the length of a
transaction, so that a request is kept wholly or not at all, and is kept before it is answered.
Killing the server loses nothing that was acknowledged; a power cut may cost the last moments but
never the file (`PRAGMA synchronous = NORMAL`).

The write-ahead log is the fast journal, but needs shared memory, which network file systems do
not give (https://sqlite.org/wal.html); there, as on many clusters, the rollback journal is used.
"""

import fcntl
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

from workshop.server.errors import StartError

VERSION = 3
SCHEMA = Path(__file__).with_name("schema.sql")
NETWORK_FILE_SYSTEMS = (
    "nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "afs", "cifs", "smb3", "9p", "virtiofs",
    "fuse",
)  # fmt: skip

Record = TypeVar("Record")  # one of the classes of `records`


class Store:
    """The database of one server, opened for it alone.

    Args:
        folder: Where the database is or shall be; made if missing, readable by its owner alone.

    Raises:
        StartError: The folder cannot be written, another server uses it, or the database was
            written by another version.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.RLock()
        self._undone = 0
        self._claim_folder()
        try:
            self._db = sqlite3.connect(
                folder / "store.sqlite", isolation_level=None, check_same_thread=False
            )
            self._db.row_factory = sqlite3.Row
            self._db.execute(f"PRAGMA journal_mode = {journal_mode(folder)}")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._create_or_check()
        except sqlite3.Error as error:
            raise StartError(
                f"The database {folder / 'store.sqlite'} cannot be opened ({error}); "
                "make room if the disk is full, restore the file from a backup, or start with "
                "another folder: --store FOLDER."
            ) from error

    def _claim_folder(self) -> None:
        """Make the folder and hold its lock until this process ends, however it ends."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_file = (self.folder / "server.lock").open("w")
        except OSError as error:
            raise StartError(
                f"The store folder {self.folder} cannot be written ({error.strerror}); "
                "choose another one: --store FOLDER."
            ) from error
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(
                f"The store folder {self.folder} is in use by another server"
                f"{running_server(self.folder)}; stop that one first or choose another folder: "
                "--store FOLDER."
            ) from error
        except OSError as error:
            raise StartError(
                f"The file system of {self.folder} has no file locks ({error.strerror}), which "
                "the database needs; choose a folder elsewhere: --store FOLDER."
            ) from error

    def _create_or_check(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(
                f"BEGIN;\n{SCHEMA.read_text()}\nPRAGMA user_version = {VERSION};\nCOMMIT;"
            )
        elif version != VERSION:
            raise StartError(
                f"The database {self.folder / 'store.sqlite'} has format {version}, this server "
                f"reads format {VERSION}; use the kit's version that wrote it or start with "
                "another folder: --store FOLDER."
            )

    def close(self) -> None:
        """Close the database and let go of the folder."""
        with self._lock:
            self._db.close()
        self._lock_file.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the store still while several things are read."""
        with self._lock:
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep everything that is written inside, or nothing if an error leaves the block."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._undone += 1
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @property
    def version(self) -> tuple[int, int]:
        """What is different after every change: as long as it is the same, so is what is kept."""
        return self._db.total_changes, self._undone

    def execute(self, statement: str, *values) -> sqlite3.Cursor:
        """Run one SQL statement; to be called inside `reading` or `writing`."""
        return self._db.execute(statement, values)

    def execute_many(self, statement: str, rows: list[tuple]) -> None:
        """Run one SQL statement for each row of values, inside `writing`."""
        self._db.executemany(statement, rows)

    # Table and column names below come from the code and its dataclasses, never from a request.

    def all(self, kind: type[Record], order: str = "rowid", **where) -> list[Record]:
        """Return the records whose columns have these values, in the order of a column."""
        condition = " AND ".join(f"{column} IS ?" for column in where) or "TRUE"
        rows = self.execute(
            f"SELECT * FROM {kind.TABLE} WHERE {condition} ORDER BY {order}",  # noqa: S608
            *where.values(),
        )
        return [kind(**dict(row)) for row in rows]

    def columns(self, kind: type[Record], names: Iterable[str], **where) -> list[SimpleNamespace]:
        """Return some columns of the records whose columns have these values, the oldest first.

        Args:
            kind: A kind of records that has a time of creation.
            names: The columns.
            where: Values by column; a list stands for any of its items.
        """
        rows = self._select(kind, names, where)
        return [SimpleNamespace(**dict(row)) for row in rows]

    def ids(self, kind: type[Record], **where) -> Iterable[int]:
        """Return the IDs of such records as `columns` finds."""
        return (number for (number,) in self._select(kind, ("id",), where))

    def _select(
        self, kind: type[Record], names: Iterable[str], where: dict[str, object]
    ) -> sqlite3.Cursor:
        tests = {True: "IN (SELECT value FROM json_each(?))", False: "IS ?"}
        condition = " AND ".join(
            f"{column} {tests[isinstance(value, list)]}" for column, value in where.items()
        )
        # With some values given, + keeps SQLite from reading all records for the sake of the order.
        is_narrow = any(isinstance(value, list) for value in where.values())
        order = "+created_at, id" if is_narrow else "created_at, id"
        values = (json.dumps(v) if isinstance(v, list) else v for v in where.values())
        return self.execute(
            f"SELECT {', '.join(names)} FROM {kind.TABLE} WHERE {condition} ORDER BY {order}",  # noqa: S608
            *values,
        )

    def with_ids(self, kind: type[Record], ids: Sequence[int]) -> list[Record]:
        """Return the records that have these IDs, in their order, but for those that are gone."""
        rows = self.execute(
            f"SELECT * FROM {kind.TABLE} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608
            json.dumps(list(ids)),
        )
        found = {row["id"]: kind(**dict(row)) for row in rows}
        return [found[number] for number in ids if number in found]

    def find(self, kind: type[Record], **where) -> Record | None:
        """Return the record whose columns have these values; the first one if there are more."""
        return next(iter(self.all(kind, **where)), None)

    def count(self, kind: type[Record], **where) -> int:
        """Return how many records have these values."""
        condition = " AND ".join(f"{column} IS ?" for column in where) or "TRUE"
        (number,) = self.execute(
            f"SELECT count(*) FROM {kind.TABLE} WHERE {condition}",  # noqa: S608
            *where.values(),
        ).fetchone()
        return number

    def add(self, kind: type[Record], **values) -> Record:
        """Insert a record and return it as it is stored, defaults filled in."""
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        (row,) = self.execute(
            f"INSERT INTO {kind.TABLE} ({columns}) VALUES ({marks}) RETURNING *",  # noqa: S608
            *values.values(),
        )
        return kind(**dict(row))

    def change(self, record: Record, **values) -> Record:
        """Change columns of a record and return it as it is now."""
        if not values:
            return record
        changes = ", ".join(f"{column} = ?" for column in values)
        (row,) = self.execute(
            f"UPDATE {record.TABLE} SET {changes} WHERE id = ? RETURNING *",  # noqa: S608
            *values.values(),
            record.id,
        )
        return type(record)(**dict(row))

    def remove(self, record: Record) -> None:
        """Delete a record and what belongs to it."""
        self.execute(f"DELETE FROM {record.TABLE} WHERE id = ?", record.id)  # noqa: S608


def journal_mode(folder: Path) -> str:
    """Return SQLite's journal mode for the file system of a folder: WAL, or DELETE on a network."""
    return "DELETE" if is_network(file_system(folder)) else "WAL"


def is_network(kind: str) -> bool:
    """Tell whether a type of file system is one that several machines share."""
    return kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse.")


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that a folder is on; empty where that is not told."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    folder = folder.resolve()
    found = {}
    for line in lines:
        _, point, kind, *_ = line.split()
        point = Path(point.encode().decode("unicode_escape"))
        if folder.is_relative_to(point):
            found[len(point.parts)] = kind
    return found[max(found)] if found else ""


def running_server(folder: Path) -> str:
    """Return where the server of a folder says it is, in words; empty if it does not say."""
    try:
        note = json.loads((folder / "server.json").read_text())
        return f" ({note['url']}, process {note['pid']})"
    except (OSError, ValueError, KeyError):
        return ""
