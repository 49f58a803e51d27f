"""One SQLite file that holds everything but the bytes of uploaded files.

A writer holds a lock for the length of a transaction, so that a request is kept completely or not
at all, and is kept before it is answered.  Killing the server loses nothing that was acknowledged;
a power cut may cost the last moments but never the file (`PRAGMA synchronous = NORMAL`).

Whoever reads has a connection of its own, which shows the store as it was when the reading began
and keeps no writer waiting; what it may read is bounded.  That needs the write-ahead log, the fast
journal, and so shared memory, which network file systems do not give
(https://sqlite.org/wal.html); there, as on many clusters, the rollback journal is used, and
whoever reads waits for the lock as well.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from sweepserver.allowance import MIB, Allowance
from sweepserver.errors import StartError
from sweepserver.queues import FairLock
from sweepserver.store import sizes
from sweepserver.store.folder import claim, journal_mode
from sweepserver.store.migrations import OLDEST, VERSION, migrate
from sweepserver.store.records import Record, Row

SCHEMA = Path(__file__).with_name("schema.sql")
# Of one request that reads.  The client gives up after 19 seconds.
MOST_READ_BYTES = 128 * MIB
# Of a page, which parses it: numbers take nine times as much as their text.
MOST_SHOWN_BYTES = 48 * MIB
LONGEST_READ_S = 15
STEPS_BETWEEN_LOOKS = 100_000  # of SQLite's machine, at the time: milliseconds
AnyRow = TypeVar("AnyRow", bound=Row)
AnyRecord = TypeVar("AnyRecord", bound=Record)


class Mine(threading.local):
    """What a thread reads or writes by, inside of a block that does so."""

    connection: sqlite3.Connection | None = None
    version: object = None
    allowance: Allowance | None = None
    is_writing: bool = False


class Store:
    """The database of one server, opened for it alone.

    Args:
        folder: The folder of the database, created if missing, readable by its owner alone.

    Raises:
        StartError: The folder cannot be written, another server uses it, or the database was
            written by a newer version.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = FairLock()
        self._mine = Mine()
        self._idle: list[sqlite3.Connection] = []  # for whoever reads next
        self._undone = 0
        self._ended: list[Callable[[], None]] = []  # to be called behind every transaction
        self._lock_file = claim(folder)
        try:
            self._db = self._connect()
            (mode,) = self._db.execute(f"PRAGMA journal_mode = {journal_mode(folder)}").fetchone()
            self._reads_beside = mode == "wal"
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._create_or_migrate()
            sizes.count_from_now(self._db)
            self._kept = self._db.total_changes, self._undone
        except sqlite3.Error as error:
            raise StartError(
                f"The database {folder / 'store.sqlite'} cannot be opened ({error}); "
                "free some space if the disk is full, restore a backup of the file, or start with "
                "another folder: --store FOLDER."
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.folder / "store.sqlite", isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _create_or_migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(
                f"BEGIN;\n{SCHEMA.read_text()}\nPRAGMA user_version = {VERSION};\nCOMMIT;"
            )
        elif OLDEST <= version < VERSION:
            migrate(self._db, version, self.folder)
        elif version != VERSION:
            raise StartError(
                f"The database {self.folder / 'store.sqlite'} has format {version}, this server "
                f"reads format {VERSION}; use the kit's version that wrote it or start with "
                "another folder: --store FOLDER."
            )

    def close(self) -> None:
        """Close the database and let go of the folder."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()
            self._db.close()
        self._lock_file.close()

    @contextmanager
    def reading(self, allowance: Allowance | None = None) -> Iterator[None]:
        """See the store as it is now while several things are read.

        Args:
            allowance: What may be read; as much as a page may if None.

        Raises:
            RequestError: The block reads more than that, or takes too long.
        """
        if self._mine.connection:  # this thread reads or writes already
            yield
            return
        allowance = allowance or Allowance(MOST_SHOWN_BYTES, LONGEST_READ_S)
        if not self._reads_beside:
            with self._lock, self._using(self._db, self.version, allowance):
                yield
            return
        # Looked at first: what is written meanwhile makes the version older than what is read.
        version = self._kept
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.execute("BEGIN")
            with self._using(connection, version, allowance):
                yield
            connection.execute("ROLLBACK")
        except BaseException:
            # A statement that is left in the middle would show the next reader what it has seen.
            connection.close()
            raise
        self._idle.append(connection)

    @contextmanager
    def writing(self, allowance: Allowance | None = None) -> Iterator[None]:
        """Keep everything that is written inside, or nothing if an error leaves the block.

        Args:
            allowance: What may be read meanwhile; anything if None.
        """
        with self._lock, self._using(self._db, object(), allowance):
            self._db.execute("BEGIN IMMEDIATE")
            self._mine.is_writing = True
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._undone += 1
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._mine.is_writing = False
                self._kept = self._db.total_changes, self._undone
                for ended in self._ended:
                    ended()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """See the store as it is now, in a block that reads or writes, while nobody writes.

        What `reading` shows may be older, so nothing that is kept from one block to the next may
        follow from it.
        """
        mine = self._mine
        if mine.connection is self._db:
            yield
            return
        before = vars(mine).copy()
        try:
            with self._lock, self._using(self._db, object(), None):
                yield
        finally:
            vars(mine).update(before)

    def watch(
        self,
        kind: type[Record],
        columns: Iterable[str],
        changed: Callable[[int | None, int], None],
        ended: Callable[[], None],
    ) -> None:
        """Have somebody told, inside the store's lock, which records of a kind change.

        Args:
            kind: The kind.
            columns: Those that matter; the first one tells what a record belongs to.
            changed: Called with the value of that column and the record's ID, for the old value and
                the new one, whether the change is kept in the end or not.
            ended: Called behind every transaction.
        """
        self._ended.append(ended)
        columns, number = tuple(columns), len(self._ended)
        function = f"changed_{number}"
        self._db.create_function(function, 2, changed)
        for name, event, sides in (
            ("insert", "INSERT", ("NEW",)),
            ("update", f"UPDATE OF {', '.join(columns)}", ("OLD", "NEW")),
            ("delete", "DELETE", ("OLD",)),
        ):
            calls = " ".join(f"SELECT {function}({x}.{columns[0]}, {x}.id);" for x in sides)
            self._db.execute(
                f"CREATE TEMP TRIGGER {name}_{number} AFTER {event} ON {kind.TABLE} "
                f"BEGIN {calls} END"
            )

    @property
    def is_writing(self) -> bool:
        """Whether this thread is inside `writing`, so that whoever wants to write waits for it."""
        return self._mine.is_writing

    @property
    def _connection(self) -> sqlite3.Connection:
        """The connection that this thread reads or writes by."""
        return self._mine.connection or self._db

    @contextmanager
    def _using(
        self, connection: sqlite3.Connection, version: object, allowance: Allowance | None
    ) -> Iterator[None]:
        """Let this thread use a connection, as far as an allowance goes."""
        mine = self._mine
        mine.connection, mine.version, mine.allowance = connection, version, allowance
        if allowance:
            connection.row_factory = counting(allowance)
            connection.set_progress_handler(lambda: allowance.is_over, STEPS_BETWEEN_LOOKS)
        try:
            yield
        except sqlite3.OperationalError:
            if allowance:
                allowance.check_time()  # SQLite only tells that it was interrupted
            raise
        finally:
            mine.connection = mine.version = mine.allowance = None
            connection.row_factory = sqlite3.Row
            connection.set_progress_handler(None, 0)

    @property
    def version(self) -> object:
        """What is different after every change: as long as it is the same, so is what is kept.

        Inside `reading` it is that of what is seen there; inside `writing` it is like no other.
        """
        return self._mine.version or (self._db.total_changes, self._undone)

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run one SQL statement; to be called inside `reading` or `writing`."""
        return self._connection.execute(statement, values)

    def stream(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run an SQL statement whose rows are looked at one after the other and not all kept.

        Inside `reading` they take time from the allowance, and no memory.
        """
        cursor = self._connection.cursor()
        allowance = self._mine.allowance
        if allowance:
            cursor.row_factory = counting(allowance, is_kept=False)
        return cursor.execute(statement, values)

    def execute_many(self, statement: str, rows: list[tuple]) -> None:
        """Run one SQL statement for each row of values, inside `writing`."""
        self._db.executemany(statement, rows)

    # Table and column names below come from the code and its dataclasses, never from a request.

    def all(self, kind: type[AnyRow], order: str = "rowid", /, **where: object) -> list[AnyRow]:
        """Return the records whose columns have these values (None: NULL), in order of a column."""
        condition = " AND ".join(f"{column} IS ?" for column in where) or "TRUE"
        rows = self.execute(
            f"SELECT * FROM {kind.TABLE} WHERE {condition} ORDER BY {order}",  # noqa: S608
            *where.values(),
        )
        return [kind(**dict(row)) for row in rows]

    def columns(self, kind: type[Record], names: Iterable[str], **where: object) -> list[Any]:
        """Return some columns of the records whose columns have these values, the oldest first.

        They are the attributes of what stands for each record.

        Args:
            kind: A kind of records that has a time of creation.
            names: The columns.
            where: Values by column; a list stands for any of its items.
        """
        rows = self._select(kind, names, where)
        return [SimpleNamespace(**dict(row)) for row in rows]

    def each(self, kind: type[Record], names: Iterable[str], **where: object) -> Iterator[Any]:
        """Yield what `columns` returns, to be looked at one after the other, as in `stream`."""
        for row in self._select(kind, names, where, keep=False):
            yield SimpleNamespace(**dict(row))

    def ids(self, kind: type[Record], **where: object) -> Iterable[int]:
        """Return the IDs of such records as `columns` finds."""
        return (number for (number,) in self._select(kind, ("id",), where))

    def _select(
        self, kind: type[Record], names: Iterable[str], where: dict[str, object], keep: bool = True
    ) -> sqlite3.Cursor:
        tests = {True: "IN (SELECT value FROM json_each(?))", False: "IS ?"}
        condition = " AND ".join(
            f"{column} {tests[isinstance(value, list)]}" for column, value in where.items()
        )
        # With some values given, + keeps SQLite from reading all records for the sake of the order.
        is_narrow = any(isinstance(value, list) for value in where.values())
        order = "+created_at, id" if is_narrow else "created_at, id"
        values = (json.dumps(v) if isinstance(v, list) else v for v in where.values())
        return (self.execute if keep else self.stream)(
            f"SELECT {', '.join(names)} FROM {kind.TABLE} WHERE {condition} ORDER BY {order}",  # noqa: S608
            *values,
        )

    def with_ids(self, kind: type[AnyRecord], ids: Sequence[int]) -> list[AnyRecord]:
        """Return the records that have these IDs, in their order, but for those that are gone."""
        rows = self.execute(
            f"SELECT * FROM {kind.TABLE} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608
            json.dumps(list(ids)),
        )
        found = {row["id"]: kind(**dict(row)) for row in rows}
        return [found[number] for number in ids if number in found]

    def find(self, kind: type[AnyRow], **where: object) -> AnyRow | None:
        """Return the record whose columns have these values; the first one if there are more."""
        return next(iter(self.all(kind, **where)), None)

    def get(self, kind: type[AnyRecord], number: int) -> AnyRecord:
        """Return the record with a number, which is there because another one refers to it.

        Raises:
            LookupError: It is not there.
        """
        found = self.find(kind, id=number)
        if found is None:
            raise LookupError(f"The table {kind.TABLE} has no row {number}.")
        return found

    def count(self, kind: type[Row], **where: object) -> int:
        """Return how many records have these values."""
        condition = " AND ".join(f"{column} IS ?" for column in where) or "TRUE"
        (number,) = self.execute(
            f"SELECT count(*) FROM {kind.TABLE} WHERE {condition}",  # noqa: S608
            *where.values(),
        ).fetchone()
        return number

    def add(self, kind: type[AnyRow], **values: object) -> AnyRow:
        """Insert a record and return it as it is stored, defaults filled in."""
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        (row,) = self.execute(
            f"INSERT INTO {kind.TABLE} ({columns}) VALUES ({marks}) RETURNING *",  # noqa: S608
            *values.values(),
        )
        return kind(**dict(row))

    def change(self, record: AnyRecord, **values: object) -> AnyRecord:
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


def counting(
    allowance: Allowance, is_kept: bool = True
) -> Callable[[sqlite3.Cursor, tuple], sqlite3.Row]:
    """Return a factory of rows that takes what they hold, and their time, from an allowance."""

    def row(cursor: sqlite3.Cursor, values: tuple) -> sqlite3.Row:
        allowance.take(values if is_kept else ())
        return sqlite3.Row(cursor, values)

    return row
