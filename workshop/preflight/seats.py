"""What a class leaves in one folder for its instructor: everybody's own result of the preflight.

All may write to that folder, so neither side trusts what is in it.  A result gets a name that
nobody could have taken before, and is there as a whole or not at all.  Reading opens no link, waits
for no pipe, and takes the owner of a file, which nobody can forge, for the person.
"""

import errno
import json
import os
import platform
import pwd
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.preflight.finding import Finding
from workshop.preflight.report import as_json as findings_as_json

LARGEST_BYTES = 1 << 20
"""Of a result; an ordinary one has a few thousand."""


@dataclass(frozen=True)
class Seat:
    """What one person has found on one machine.

    Attributes:
        user: the owner of the file.
        host: the machine's name, as the file says.
        problems: the checks that found a problem.
    """

    user: str
    host: str
    problems: list[str]


@dataclass(frozen=True)
class Collected:
    """What a folder holds.

    Attributes:
        seats: the newest result of each person and machine, by name.
        refused: why a file was left out, by its name and owner.
    """

    seats: list[Seat] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def is_well(self) -> bool:
        """Whether no seat has a problem and no file was left out."""
        return not self.refused and not any(seat.problems for seat in self.seats)

    def __str__(self) -> str:
        """Return how many seats have answered, and a line for each that needs a look."""
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
        """Return the same on one line."""
        return json.dumps(asdict(self))


class _Record(BaseModel):
    """What is read of a result."""

    host: str = Field(max_length=255)
    problems: list[str] = Field(max_length=1000)


class _RefusedError(Exception):
    """A file that is no result of the preflight; says why."""


def leave(findings: Sequence[Finding], folder: Path) -> Path:
    """Write findings into a folder that others may write to as well; return the new file.

    Raises:
        WorkshopError: the folder is not there or cannot be written to, or others may replace what
            is in it.
    """
    try:
        mode = folder.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            raise WorkshopError(
                f"in {shown(folder)} anybody may replace what others have written: its owner makes "
                f"that impossible by `chmod +t {shown(folder)}`"
            )
        with tempfile.NamedTemporaryFile(
            "w", prefix=f".{platform.node()}-", dir=folder, delete=False
        ) as file:
            unfinished = Path(file.name)
            os.fchmod(file.fileno(), 0o644)  # for whoever collects
            file.write(findings_as_json(findings) + "\n")
        return unfinished.rename(folder / f"{unfinished.name[1:]}.json")
    except OSError as error:
        raise WorkshopError(
            f"no file can be made in {shown(folder)} ({error.strerror}): name a folder that is "
            "there and that you may write to"
        ) from None


def collect(folder: Path) -> Collected:
    """Read what everybody has left in a folder.

    Raises:
        WorkshopError: there is no such folder, or this user may not list it.
    """
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise WorkshopError(
            f"{shown(folder)} cannot be read ({error.strerror}): name the folder that seats were "
            "told to write `--into`"
        ) from None
    newest: dict[tuple[str, str], tuple[float, Seat]] = {}
    refused = {}
    try:
        for name in sorted(entry.name for entry in os.scandir(place)):
            if not name.endswith(".json"):
                continue  # not a result, or not yet
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
    """Return when a file of a folder was written, and the result in it."""
    try:
        # Not to wait for somebody to write into a pipe.
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
            raise _RefusedError(f"of {user} is no ordinary file")
        if facts.st_nlink != 1:
            raise _RefusedError(f"of {user} has a second name, so it may be from elsewhere")
        text = os.fdopen(file, "rb", closefd=False).read(LARGEST_BYTES + 1)
    finally:
        os.close(file)
    if len(text) > LARGEST_BYTES:
        raise _RefusedError(f"of {user} is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        record = _Record.model_validate_json(text)
    except ValidationError:
        raise _RefusedError(f"of {user} is no result of `workshop check --into`") from None
    return facts.st_mtime, Seat(user, record.host, record.problems)


def _name(user: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(user).pw_name
    return f"user {user}"


def _printable(line: str) -> str:
    """Return a line without what would command a terminal, and not too long."""
    return "".join(letter if letter.isprintable() else "?" for letter in line[:500])
