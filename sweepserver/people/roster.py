"""The roster: a table of people, and the users made from it.

The table is a CSV file with a header.  The column `name` is required: it is the person's user name
and entity, and part of the name of their key file.  The column `role` may say `instructor` for
those who may write everywhere and see the class page.  Other columns are not read, so that a list
from elsewhere only needs these two.

Whoever leaves the table is locked out at the next start, and keeps what they logged; whoever comes
back has the same key as before.  Without a table the people of the last one stay.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import zip_longest
from pathlib import Path

from sweepserver.errors import StartError
from sweepserver.people.auth import DEFAULT_USER, hash_key
from sweepserver.search.values import shorten
from sweepserver.store.database import Store
from sweepserver.store.records import User

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
ROLES = ("participant", "instructor")
# The first parts of the server's own addresses, and the user who runs the server.
RESERVED = {
    "artifact-files", "authorize", "class", "files", "graphql", "health", "leaderboard",
    "settings", "sign-in", "sign-out", "static", "uploads", DEFAULT_USER,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the roster."""

    name: str
    is_instructor: bool = False


def read_roster(path: Path) -> list[Person]:
    """Return the people of a roster.

    Raises:
        StartError: The file cannot be read, or a line of it cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark before the header
        found = list(rows(path, text))
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(
            f"The roster {path} cannot be read ({reason}); name a CSV file in UTF-8: --roster FILE."
        ) from error
    people: dict[str, Person] = {}
    lines: dict[str, int] = {}
    for number, row in found:
        person = person_of(path, number, row)
        if person.name in people:
            raise StartError(
                f"{path}, line {number}: the name {person.name!r} is that of line "
                f"{lines[person.name]} already; give each person a name of their own."
            )
        people[person.name], lines[person.name] = person, number
    if not people:
        raise StartError(f"The roster {path} lists nobody; expected a line for each person.")
    return list(people.values())


def rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, cells by column) for each line of a table that is not empty."""
    header, _, _ = text.partition("\n")
    # Spreadsheets separate by the comma or, in some countries, the semicolon.
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    columns = [column.strip().lower() for column in next(reader, [])]
    if "name" not in columns:
        raise StartError(
            f"The roster {path} has the columns {', '.join(columns) or 'none'}; expected a first "
            "line with the column `name`, and perhaps `role`."
        )
    for cells in reader:
        stripped = [cell.strip() for cell in cells[: len(columns)]]
        if any(stripped):
            yield reader.line_num, dict(zip_longest(columns, stripped, fillvalue=""))


def person_of(path: Path, number: int, row: dict[str, str]) -> Person:
    """Return the person in a row; raise a StartError if it doesn't name a valid user."""
    name, role = row["name"], row.get("role", "").lower() or ROLES[0]
    if name in RESERVED:
        raise StartError(
            f"{path}, line {number}: the name {name!r} is the server's own; expected another one, "
            f"such as '{name}-1'."
        )
    if not NAME.fullmatch(name):
        raise StartError(
            f"{path}, line {number}: {shorten(name)} cannot be a user's name; expected 1 to 64 of "
            f"a-z, 0-9, - and _, a letter or digit first, such as {suggestion(name)!r}."
        )
    if role not in ROLES:
        raise StartError(
            f"{path}, line {number}: the role {shorten(role)} is not known; expected "
            "'instructor', or nothing for a participant."
        )
    return Person(name, role == "instructor")


def suggestion(name: str) -> str:
    """Suggest a valid user name close to an invalid one."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64] or "ada-lovelace"


def admit(store: Store, people: list[Person] | None, key_of: Callable[[str], str]) -> None:
    """Make the people of a class the users of a store, and lock out everybody else.

    Args:
        store: The store.
        people: The class; None leaves it as it is.
        key_of: Returns the key of a user of this name, made if there is none.

    Raises:
        StartError: Two people have the same key.
    """
    if people is None:
        with store.reading():
            known = store.all(User)
        people = [
            Person(user.name, bool(user.is_admin))
            for user in known
            if user.key_hash and user.name != DEFAULT_USER
        ]
    owners = {hash_key(key_of(DEFAULT_USER)): DEFAULT_USER}
    for person in people:
        other = owners.setdefault(hash_key(key_of(person.name)), person.name)
        if other != person.name:
            raise StartError(
                f"The key files of {other} and {person.name} hold the same key; delete one of "
                "them, and a new one is made."
            )
    hashes = {name: key_hash for key_hash, name in owners.items()}
    with store.writing():
        store.execute("UPDATE users SET key_hash = NULL WHERE name != ?", DEFAULT_USER)
        store.execute_many(
            "INSERT INTO users (name, entity, key_hash, is_admin) VALUES (?1, ?1, ?2, ?3) "
            "ON CONFLICT (name) DO UPDATE SET key_hash = ?2, is_admin = ?3",
            [(person.name, hashes[person.name], person.is_instructor) for person in people],
        )
