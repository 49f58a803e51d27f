"""Everybody's best run, for the class page and the leaderboard.

A whole class may look at once and again every few seconds.  The runs are read through for all of
them together, and so rarely that it takes at most a twentieth of the time.
"""

import json
import math
import threading
import time
from collections import Counter
from dataclasses import dataclass

from sweepserver.allowance import Allowance
from sweepserver.search.metric import Metric
from sweepserver.search.values import number
from sweepserver.store.database import LONGEST_READ_S, MOST_READ_BYTES, Store
from sweepserver.store.records import Sweep

MOST_RUN_CHARACTERS = 200_000  # of what it has logged: one of a class's program has some hundred
SWEEPS_CONSIDERED = 100
MOST_ENTITY_CHARACTERS = 2 * 2**20  # of the runs of one entity, the newest first
SUMMARIES = """
SELECT entity, project, id, name, display_name, created_at, summary, extremes FROM (
    SELECT entity, projects.name AS project, runs.name, display_name, runs.id,
        runs.created_at, summary, extremes, sum(length(summary) + length(extremes))
            OVER (PARTITION BY entity ORDER BY runs.id DESC) AS total
    FROM runs JOIN projects ON projects.id = runs.project_id
    WHERE (summary != '{}' OR extremes != '{}') AND NOT is_hidden
    AND length(summary) + length(extremes) < ?
) WHERE total <= ? ORDER BY id
"""
LEAST_FRESH_S = 2.0  # how long at least what was read through counts as new


@dataclass(frozen=True, slots=True)
class Entry:
    """A run with the numbers that it logged.

    Attributes:
        entity: Whose it is.
        project: The name of its project.
        id: Its number in the store.
        name: Its ID.
        display_name: Its name.
        created_at: When it began.
        summary: Its summary.
        extremes: The smallest and the largest finite number that it logged, by name.
    """

    entity: str
    project: str
    id: int
    name: str
    display_name: str
    created_at: float
    summary: dict
    extremes: dict[str, list[float]]

    @property
    def names(self) -> set[str]:
        """The names of the numbers that it logged, but not of those that W&B adds."""
        in_summary = {name for name, value in self.summary.items() if number(value) is not None}
        return {name for name in in_summary | self.extremes.keys() if not name.startswith("_")}


class Standings:
    """Compares the runs of a store."""

    def __init__(self, store: Store):
        self._store = store
        self._lock = threading.Lock()
        self._until = -math.inf
        self._entries: list[Entry] = []
        self._metric: Metric | None = None

    def metric(self) -> Metric | None:
        """Return what most of the newest sweeps optimize, None if there are none that do."""
        self._current()
        return self._metric

    def metrics(self) -> list[str]:
        """Return the names of the numbers that runs logged."""
        return sorted({name for entry in self._current() for name in entry.names})

    def best(self, metric: Metric) -> list[tuple[Entry, float]]:
        """Return the best run of each entity that logged a metric, the best of all first.

        Of equal runs, the earlier one is better.  With each comes its value.
        """
        found = [
            (entry, value)
            for entry in self._current()
            if (value := metric.value(entry.summary, entry.extremes.get(metric.name, ())))
            is not None
        ]
        found.sort(key=lambda pair: (metric.sign * pair[1], pair[0].created_at))
        best: dict[str, tuple[Entry, float]] = {}
        for entry, value in found:
            best.setdefault(entry.entity, (entry, value))
        return list(best.values())

    def _current(self) -> list[Entry]:
        with self._lock:
            begin = time.monotonic()
            if begin > self._until:
                self._entries = [
                    Entry(**row | {name: json.loads(row[name]) for name in ("summary", "extremes")})
                    for row in map(dict, self._summaries())
                ]
                metrics = Counter(filter(None, (sweep.metric for sweep in self._sweeps())))
                self._metric = next((metric for metric, _ in metrics.most_common(1)), None)
                end = time.monotonic()
                self._until = end + max(LEAST_FRESH_S, 20 * (end - begin))
            return self._entries

    def _sweeps(self) -> list[Sweep]:
        with self._store.reading():
            newest = self._store.execute(
                "SELECT id FROM sweeps ORDER BY id DESC LIMIT ?", SWEEPS_CONSIDERED
            )
            return self._store.with_ids(Sweep, [number for (number,) in newest])

    def _summaries(self) -> list:
        with self._store.reading(Allowance(MOST_READ_BYTES, LONGEST_READ_S)):
            return self._store.execute(
                SUMMARIES, MOST_RUN_CHARACTERS, MOST_ENTITY_CHARACTERS
            ).fetchall()
