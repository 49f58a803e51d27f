"""Everybody's best run, for the class page and the leaderboard.

A whole class may look at once and again every few seconds.  The runs are read through for all of
them together, and so rarely that it takes at most a twentieth of the time.
"""

import json
import math
import threading
import time
from dataclasses import dataclass

from workshop.server.store import Store
from workshop.server.values import number

METRIC = "Validation Accuracy"  # what the workshop's program logs
SECONDS = 2.0  # how long at least what was read through counts as new


@dataclass(frozen=True, slots=True)
class Entry:
    """A run with the numbers in its summary.

    Attributes:
        entity: Whose it is.
        project: The name of its project.
        name: Its ID.
        display_name: Its name.
        created_at: When it began.
        numbers: The finite numbers in its summary by name.
    """

    entity: str
    project: str
    name: str
    display_name: str
    created_at: float
    numbers: dict[str, float]


class Standings:
    """Compares the runs of a store."""

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Lock()
        self._until = -math.inf
        self._entries: list[Entry] = []

    def metrics(self) -> list[str]:
        """Return the names of the numbers that runs logged."""
        return sorted({name for entry in self._current() for name in entry.numbers})

    def best(self, metric: str, maximize: bool) -> list[Entry]:
        """Return the best run of each entity that logged a metric, the best of all first.

        Of equal runs, the earlier one is better.
        """
        sign = -1 if maximize else 1
        found = [entry for entry in self._current() if metric in entry.numbers]
        found.sort(key=lambda entry: (sign * entry.numbers[metric], entry.created_at))
        best: dict[str, Entry] = {}
        for entry in found:
            best.setdefault(entry.entity, entry)
        return list(best.values())

    def _current(self) -> list[Entry]:
        with self._lock:
            begin = time.monotonic()
            if begin > self._until:
                self._entries = [Entry(*run, numbers(text)) for *run, text in self._summaries()]
                end = time.monotonic()
                self._until = end + max(SECONDS, 20 * (end - begin))
            return self._entries

    def _summaries(self) -> list:
        with self._store.reading():
            return self._store.execute(
                "SELECT entity, projects.name, runs.name, display_name, runs.created_at, summary "
                "FROM runs JOIN projects ON projects.id = runs.project_id "
                "WHERE summary != '{}' AND NOT is_hidden"
            ).fetchall()


def numbers(summary: str) -> dict[str, float]:
    """Return the finite numbers in a run's summary, but not those that W&B adds."""
    return {
        name: value
        for name, value in json.loads(summary).items()
        if number(value) is not None and not name.startswith("_")
    }
