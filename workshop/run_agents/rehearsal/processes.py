"""Find and end processes by the environment variables that they were started with.

Children inherit their parent's variables, so everything that a daemon or a job has started is
found, even if the process in between has ended.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def find(*names: str, **variables: str) -> list[int]:
    """Return the IDs of the processes, except this one, that have certain variables.

    Args:
        names: variables with any value.
        variables: variables with these values.
    """
    marks = {f"{name}={value}".encode() for name, value in variables.items()}
    wanted = {name.encode() for name in names}
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended by now, or is another user's
            words = file.read_bytes().split(b"\0")
            if marks.issubset(words) and wanted <= {word.partition(b"=")[0] for word in words}:
                found.append(int(file.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def kill(*names: str, **variables: str) -> None:
    """Kill those processes and any that they start, until none is left."""
    _kill(lambda: find(*names, **variables))


def kill_writers(program: str, log: Path) -> None:
    """Kill the processes of a program that have a log open, until none is left."""
    _kill(lambda: _writers(program, log))


def _writers(program: str, log: Path) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if file.read_text().strip() == program and any(
                link.readlink() == log for link in (file.parent / "fd").iterdir()
            ):
                found.append(int(file.parent.name))
    return found


def _kill(look: Callable[[], list[int]]) -> None:
    while found := look():
        send(signal.SIGKILL, found)
        time.sleep(0.02)


def send(number: signal.Signals, processes: list[int]) -> None:
    """Send a signal to each process that still exists."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
