"""Migrations: bring a database of an older version of this server to this version.

Each step leads from one format to the next.  Before the first one a copy of the database is kept
beside it, to go back with.
"""

import sqlite3
from pathlib import Path

from sweepserver.store import sizes

VERSION = 5


def from_4(db: sqlite3.Connection) -> None:
    """Count what projects keep, and note which runs a sweep began with."""
    db.execute("ALTER TABLE projects ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE runs ADD COLUMN is_prior INTEGER NOT NULL DEFAULT 0")
    db.execute(
        "UPDATE runs SET is_prior = 1 WHERE suggestion IS NULL AND created_at <= "
        "(SELECT created_at FROM sweeps WHERE sweeps.id = sweep_id)"
    )
    sizes.count_anew(db)


STEPS = {4: from_4}
OLDEST = min(STEPS)


def migrate(db: sqlite3.Connection, version: int, folder: Path) -> None:
    """Migrate a database to this version's format, in one transaction.

    Args:
        db: The database.
        version: Its format, `OLDEST` or later.
        folder: The store's folder.
    """
    path = folder / f"store.format-{version}.sqlite"
    path.unlink(missing_ok=True)  # of an attempt that did not get through
    path.touch(0o600)
    copy = sqlite3.connect(path)
    with copy:
        db.backup(copy)
    copy.close()
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, VERSION):
            STEPS[step](db)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
