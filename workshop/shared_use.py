"""A resource that several processes share, such as a server: the last one to leave stops it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workshop import files


@contextmanager
def stopped_by_the_last(
    file: Path, identity: Callable[[], str], stop: Callable[[], object]
) -> Iterator[None]:
    """Stop a shared resource at the end of the block, if this process is its last user.

    Several processes may be inside the block at once.  The last one to leave stops the resource,
    if one of them started it.  A process that is killed no longer counts; the next users stop what
    it started.

    Args:
        file: the lock file of the users, which also records what is to be stopped.
        identity: returns an ID that differs from start to start, such as a process ID; empty while
            the resource isn't running.
        stop: stops the resource.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # All users share the lock; the one that can make it exclusive is the last.
    with files.lock(file, shared=True) as users:
        was_running = identity()
        try:
            yield
        finally:
            if running := identity():
                if not was_running:
                    users.truncate(0)
                    print(running, file=users, flush=True)
                if files.becomes_exclusive(users):
                    users.seek(0)
                    if users.read().strip() == running:
                        stop()
