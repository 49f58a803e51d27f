"""Report the progress of an execution: one changing line on a terminal, few lines in a log."""

import shutil
import time
from typing import TextIO

from workshop import durations

LINE_INTERVAL_S = 60
"""Seconds between two progress lines of a notebook in a log."""


class Reporter:
    """A progress reporter for notebooks that are executed one after the other.

    Args:
        out: the stream to write to: a terminal gets one changing line, others few lines.
        total: the number of notebooks.
    """

    def __init__(self, out: TextIO, total: int) -> None:
        self._out = out
        self._changes = out.isatty()
        self._total = total

    def begin(self, position: int, name: str, cells: int) -> None:
        """Report the start of notebook number `position`, with its number of code cells."""
        self._name, self._cells, self._cell = name, cells, 0
        self._began = self._said = time.monotonic()
        self._headline = f"[{position}/{self._total}] {name}"
        self._say(self._headline, lasting=not self._changes)

    def cell(self, source: str) -> None:
        """Report the start of the next code cell."""
        self._cell += 1
        line = f"{self._headline}: cell {self._cell} of {self._cells}, {self._elapsed()}"
        if self._changes:
            self._say(f"{line} | {source.strip().splitlines()[0]}", lasting=False)
        elif time.monotonic() - self._said >= LINE_INTERVAL_S:
            self._said = time.monotonic()
            self._say(line, lasting=True)

    def end(self, outcome: str) -> None:
        """Report the outcome of the notebook."""
        self._say(f"{self._headline}: {outcome} after {self._elapsed()}", lasting=True)

    def _elapsed(self) -> str:
        return durations.exact(time.monotonic() - self._began)

    def _say(self, line: str, lasting: bool) -> None:
        if self._changes:
            width = shutil.get_terminal_size().columns - 1
            line = f"\r{line[:width]}\x1b[K"  # clears the rest of a longer previous line
        self._out.write(line + ("\n" if lasting else ""))
        self._out.flush()
