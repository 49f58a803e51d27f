"""Waiting for a condition, with deadlines that one setting stretches on a slow machine.

    WORKSHOP_TEST_PATIENCE=3 make test

Deadlines only end what has gone wrong: nothing waits for longer than it must.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")
PATIENCE = float(os.environ.get("WORKSHOP_TEST_PATIENCE") or 1)


def patience(seconds: float) -> float:
    """Return a deadline in seconds, stretched by `WORKSHOP_TEST_PATIENCE`."""
    return seconds * PATIENCE


def wait_for(
    condition: Callable[[], Result], what: object = "", seconds: float = 300, every: float = 0.1
) -> Result:
    """Wait until a condition holds and return what it returned.

    Args:
        condition: is asked again and again; it may assert that waiting still makes sense.
        what: what is waited for, or a function that tells more when time is up.
        seconds: the deadline, before it is stretched.
        every: seconds between two questions.

    Raises:
        AssertionError: the deadline passed.
    """
    deadline = time.monotonic() + patience(seconds)
    while not (found := condition()):
        if time.monotonic() > deadline:
            told = what() if callable(what) else what
            raise AssertionError(f"waited {patience(seconds):.0f} s until {told or condition}")
        time.sleep(every)
    return found


def wait_for_text(file: Path, pattern: str, writer: subprocess.Popen) -> str:
    """Wait until a process has written what matches a pattern; return the whole file.

    Raises:
        AssertionError: the process ended before, or the deadline passed.
    """

    def text() -> str:
        return file.read_text() if file.exists() else ""

    def is_written() -> bool:
        if file.exists() and re.search(pattern, text()):
            return True
        assert writer.poll() is None, text()
        return False

    wait_for(is_written, text)
    return text()
