"""Files: read YAML, write atomically, and lock."""

import errno
import fcntl
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises:
        WorkshopError: The file is missing, is not YAML, or holds something else.
    """
    import yaml  # slow to import, and not needed by those who only write

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or error
        raise WorkshopError(f"{shown(file)} cannot be read ({problem}): check the path") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f" in line {place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or "unknown problem"
        raise WorkshopError(f"{shown(file)} is not valid YAML{line}: {problem}") from error
    if content is not None and not isinstance(content, dict):
        raise WorkshopError(
            f"{shown(file)} contains a {type(content).__name__}: write it as `key: value` lines"
        )
    return content or {}


def from_root(folder: str) -> Path:
    """Resolve a relative path from the repository, whatever the working directory is."""
    return (ROOT / Path(folder).expanduser()).resolve()


@contextmanager
def replacing(file: Path, mode: int | None = None, sole_writer: bool = False) -> Iterator[BinaryIO]:
    """Replace a file atomically: yield a stream for its new content.

    Readers see either the old content or the new, never a part.  After an error in the block, or a
    kill at any moment, the old content is still there.  There is no fsync, so a power failure may
    lose both.

    Args:
        file: its folder must exist.
        mode: its permissions, regardless of the umask; by default those of any new file.
        sole_writer: whether only one process at a time ever writes this file.  If so, the
            leftovers of a kill are overwritten; otherwise they stay, as `NAME.….unfinished`.

    Raises:
        OSError: it cannot be written, for example because the disk is full.
    """
    own = "" if sole_writer else f".{secrets.token_hex(8)}"
    unfinished = file.with_name(f"{file.name}{own}.unfinished")
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if sole_writer else os.O_EXCL)
    descriptor = os.open(unfinished, flags, 0o666 if mode is None else mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield stream
        unfinished.replace(file)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def write(
    file: Path, content: str | bytes, mode: int | None = None, sole_writer: bool = False
) -> None:
    """Write a file atomically, text as UTF-8: readers see either the old content or the new.

    Args:
        file: its folder must exist.
        content: the new content.
        mode: as for `replacing`.
        sole_writer: as for `replacing`.

    Raises:
        OSError: it cannot be written; the old content is kept.
    """
    with replacing(file, mode, sole_writer) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def writing(file: Path, step: str) -> Iterator[None]:
    """Say in one sentence that a file cannot be written if the block, which writes it, fails.

    Args:
        file: which.
        step: the end of the sentence, what to do next.

    Raises:
        WorkshopError: An OSError was raised in the block.
    """
    try:
        yield
    except OSError as error:
        problem = error.strerror or error
        raise WorkshopError(f"{shown(file)} cannot be written ({problem}): {step}") from None


def check_writable(file: Path, step: str) -> None:
    """Check before long work that its result can be written to a file, which stays as it is.

    Args:
        file: which, whether or not it exists.
        step: as for `writing`.

    Raises:
        WorkshopError: It cannot be written now.
    """
    with writing(file, step):
        if file.exists():
            file.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=file.parent).close()


def lock(
    file: Path,
    shared: bool = False,
    wait: bool = True,
    on_wait: Callable[[], object] = lambda: None,
) -> TextIO:
    """Acquire an advisory lock; return the open file, which holds it until it is closed.

    The end of the process also releases it.  On a file system without locks, everybody gets it.

    Args:
        file: the lock file; it is created if it is missing, but its folder must exist.
        shared: whether to take a shared lock, which several processes can hold at once.
        wait: whether to wait until others release it.
        on_wait: is called once if there is a wait.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
        OSError: the file cannot be opened.
    """
    stream = file.open("a+", encoding="utf-8")
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        if not _take(stream, kind | fcntl.LOCK_NB):
            if not wait:
                raise BlockingIOError(errno.EWOULDBLOCK, "somebody else holds its lock", str(file))
            on_wait()
            _take(stream, kind)
    except BaseException:
        stream.close()
        raise
    return stream


def becomes_exclusive(stream: TextIO) -> bool:
    """Upgrade a shared lock of `lock` to an exclusive one; return whether that succeeded.

    It fails if another process holds the lock, or if the file system has no locks.  The shared
    lock may be lost then.
    """
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _take(stream: TextIO, kind: int) -> bool:
    """Acquire the lock of an open file; return False if another process has it."""
    try:
        fcntl.flock(stream, kind)
    except BlockingIOError:
        return False
    except OSError:
        pass  # a file system without locks
    return True
