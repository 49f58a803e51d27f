"""Collect a class's preflight results in one folder for the instructor.

Everybody may write to that folder, so neither side trusts its content.  A result gets an
unpredictable name, and is written atomically.  The reader follows no links, doesn't wait for pipes,
and identifies a person by the owner of a file, which can't be forged.
"""

import errno
import json
import os
import platform
import pwd
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from workshop import files
from workshop.errors import WorkshopError
from workshop.paths import shown, typed
from workshop.preflight.finding import Finding
from workshop.preflight.report import as_json as findings_as_json

LARGEST_RESULT_BYTES = 1 << 20
"""The limit for a result; an ordinary one has a few thousand bytes."""


@dataclass(frozen=True)
class Seat:
    """One person's result on one machine.

    Attributes:
        user: the owner of the file.
        host: the machine's name, according to the file.
        problems: the checks that found a problem.
    """

    user: str
    host: str
    problems: list[str]


@dataclass(frozen=True)
class Collected:
    """The results in a folder.

    Attributes:
        seats: the newest result of each person and machine, by name.
        refused: why a file was left out, by its name.
    """

    seats: list[Seat] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        """Whether no seat has a problem and no file was left out."""
        return not self.refused and not any(seat.problems for seat in self.seats)

    def __str__(self) -> str:
        """Return how many seats have answered, and a line for each that needs attention."""
        wrong = [seat for seat in self.seats if seat.problems]
        lines = [f"seats that have answered: {len(self.seats)}, with problems: {len(wrong)}"]
        if wrong:
            width = max(len(f"{seat.user} on {seat.host}") for seat in wrong)
        for seat in wrong:
            who = f"{seat.user} on {seat.host}"
            lines.append(_printable(f"{who:<{width}}  {', '.join(seat.problems)}"))
        lines += [_printable(f"left out: {name} {why}") for name, why in self.refused.items()]
        return "\n".join(lines)

    def as_json(self) -> str:
        """Return the results as one line of JSON."""
        return json.dumps(asdict(self))


class _Record(BaseModel):
    """The fields that are read from a result."""

    host: str = Field(max_length=255)
    problems: list[str] = Field(max_length=1000)


class _RefusedError(Exception):
    """The reason why a file isn't a preflight result."""


def leave(findings: Sequence[Finding], folder: Path) -> Path:
    """Write findings to a new file in a shared folder; return the file.

    Raises:
        WorkshopError: the folder doesn't exist or can't be written to, or others could replace
            files in it.
    """
    try:
        mode = folder.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            raise WorkshopError(
                f"in {shown(folder)} anybody could replace other people's files: ask its owner to "
                f"run `chmod +t {typed(folder)}`"
            )
        result = folder / f"{platform.node()}-{secrets.token_hex(8)}.json"
        # Others may read it, so that the instructor can collect it.
        files.write(result, findings_as_json(findings) + "\n", mode=0o644)
        return result
    except OSError as error:
        raise WorkshopError(
            f"no file can be created in {shown(folder)} ({error.strerror}): give an existing "
            "folder that you can write to"
        ) from None


def collect(folder: Path) -> Collected:
    """Read everybody's results in a folder.

    Raises:
        WorkshopError: there is no such folder, or this user may not list it.
    """
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise WorkshopError(
            f"{shown(folder)} cannot be read ({error.strerror}): give the folder that was used "
            "with `--into`"
        ) from None
    newest: dict[tuple[str, str], tuple[float, Seat]] = {}
    refused = {}
    try:
        for name in sorted(entry.name for entry in os.scandir(place)):
            if not name.endswith(".json"):
                continue  # not a result, or not complete yet
            try:
                written, seat = _read(place, name)
            except _RefusedError as reason:
                refused[name] = str(reason)
            else:
                found = newest.get((seat.user, seat.host))
                if found is None or found[0] < written:
                    newest[seat.user, seat.host] = written, seat
    finally:
        os.close(place)
    return Collected([newest[seat][1] for seat in sorted(newest)], refused)


def _read(place: int, name: str) -> tuple[float, Seat]:
    """Return when a file in a folder was written, and the result in it."""
    try:
        # O_NONBLOCK, so that opening a pipe doesn't wait for a writer.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        raise _RefusedError(
            "is a link, which is not followed" if is_link else f"cannot be read ({error.strerror})"
        ) from None
    try:
        facts = os.fstat(file)
        user = _name(facts.st_uid)
        if not stat.S_ISREG(facts.st_mode):
            raise _RefusedError(f"of {user} is not a regular file")
        if facts.st_nlink != 1:
            raise _RefusedError(f"of {user} has a second hard link, so it may be from elsewhere")
        text = os.fdopen(file, "rb", closefd=False).read(LARGEST_RESULT_BYTES + 1)
    finally:
        os.close(file)
    if len(text) > LARGEST_RESULT_BYTES:
        raise _RefusedError(f"of {user} is larger than {LARGEST_RESULT_BYTES >> 20} MiB")
    try:
        record = _Record.model_validate_json(text)
    except ValidationError:
        raise _RefusedError(f"of {user} is not a result of `workshop check --into`") from None
    return facts.st_mtime, Seat(user, record.host, record.problems)


def _name(user: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(user).pw_name
    return f"user {user}"


def _printable(line: str) -> str:
    """Return a line without terminal control characters, cut to a maximum length."""
    return "".join(letter if letter.isprintable() else "?" for letter in line[:500])
