"""Say how far an execution is: a line that changes on a terminal, few lines in a log."""

import shutil
import time
from typing import TextIO

from workshop.batch.times import span

SPARSE = 60
"""Seconds between two lines about the cells of a notebook in a log."""


class Reporter:
    """Tells of one notebook after the other.

    Args:
        out: where to; what happens there decides between one changing line and few lines.
        total: the number of notebooks.
    """

    def __init__(self, out: TextIO, total: int) -> None:
        self._out = out
        self._changes = out.isatty()
        self._total = total

    def begin(self, position: int, name: str, cells: int) -> None:
        """Tell that a notebook begins, as number `position` of all, with so many code cells."""
        self._name, self._cells, self._cell = name, cells, 0
        self._began = self._said = time.monotonic()
        self._headline = f"[{position}/{self._total}] {name}"
        self._say(self._headline, lasting=not self._changes)

    def cell(self, source: str) -> None:
        """Tell that the next code cell begins."""
        self._cell += 1
        line = f"{self._headline}: cell {self._cell} of {self._cells}, {self._elapsed()}"
        if self._changes:
            self._say(f"{line} | {source.strip().splitlines()[0]}", lasting=False)
        elif time.monotonic() - self._said >= SPARSE:
            self._said = time.monotonic()
            self._say(line, lasting=True)

    def end(self, outcome: str) -> None:
        """Tell what became of the notebook."""
        self._say(f"{self._headline}: {outcome} after {self._elapsed()}", lasting=True)

    def _elapsed(self) -> str:
        return span(time.monotonic() - self._began)

    def _say(self, line: str, lasting: bool) -> None:
        if self._changes:
            width = shutil.get_terminal_size().columns - 1
            line = f"\r{line[:width]}\x1b[K"  # the rest of a longer line before it is cleared
        self._out.write(line + ("\n" if lasting else ""))
        self._out.flush()
