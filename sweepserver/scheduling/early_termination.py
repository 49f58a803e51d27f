"""Early termination: which runs of a sweep W&B's hyperband rule stops.

The rule looks at the values of the sweep's metric, one after the other as a run has logged them.
They are read from the history once and kept in memory; after a restart, or when the sweep has got
another metric, they are read again, outside the transaction if they are many.
"""

import json
import sqlite3

from sweepserver.allowance import Allowance
from sweepserver.errors import Unready
from sweepserver.search import hyperband
from sweepserver.search.metric import Metric
from sweepserver.store import history
from sweepserver.store.database import MOST_READ_BYTES, Store
from sweepserver.store.records import Run, Sweep

MOST_ROWS_AT_ONCE = 20_000  # history rows that are read within a transaction


class MetricValues:
    """The values of one metric in the history of a sweep's runs, read as far as they were kept."""

    def __init__(self, metric: Metric):
        self.metric = metric
        self._values: dict[int, list[float]] = {}
        self._lines: dict[int, int] = {}  # how many lines of each run have been read

    def of(self, store: Store, run_id: int, history_lines: int) -> list[float]:
        """Return the finite values that a run has logged, in the order of lines."""
        values = self._values.setdefault(run_id, [])
        next_line = self._lines.get(run_id, 0)
        run = store.find(Run, id=run_id) if history_lines > next_line else None
        if run is not None:
            for line, row in history.stream_rows(store, "history", run, next_line):
                value = self.metric.logged(json.loads(row))
                if value is not None:
                    values.append(value)
                next_line = line + 1
            self._lines[run_id] = next_line
        return values

    def forget(self, run: Run) -> None:
        """Read a run from its first line again."""
        self._values.pop(run.id, None)
        self._lines.pop(run.id, None)


class EarlyTermination:
    """Finds the runs to stop in the sweeps of a store."""

    def __init__(self, store: Store):
        self._store = store
        self._sweeps: dict[int, MetricValues] = {}

    def to_stop(self, sweep: Sweep) -> list[Run]:
        """Return the runs of a sweep to be stopped now; none if its configuration asks for none.

        Raises:
            Unready: The histories of its runs are to be read first, which takes long.
        """
        if not sweep.is_searched_here or sweep.settings.get("early_terminate") is None:
            return []
        runs = self._runs(sweep)
        values = self._sweeps.get(sweep.id)
        if values is None or values.metric != sweep.metric:
            if sum(run["history_lines"] for run in runs) > MOST_ROWS_AT_ONCE:
                raise Unready((self.read, sweep))
            values = self._sweeps[sweep.id] = MetricValues(Metric.required(sweep.settings))
        histories, live = {}, {}
        for run_id, name, state, stop_ordered, history_lines in runs:
            histories[name] = values.of(self._store, run_id, history_lines)
            if state in ("running", "preempting") and not stop_ordered:
                live[name] = run_id
        names = hyperband.to_stop(sweep.settings, histories, set(live))
        return [self._store.get(Run, live[name]) for name in sorted(names)]

    def read(self, sweep: Sweep) -> None:
        """Read what the runs of a sweep have logged so far, one run after the other."""
        values = MetricValues(Metric.required(sweep.settings))
        with self._store.reading():
            runs = self._runs(sweep)
        for run_id, _, _, _, history_lines in runs:
            with self._store.reading(Allowance(MOST_READ_BYTES)):
                values.of(self._store, run_id, history_lines)
        self._sweeps[sweep.id] = values

    def _runs(self, sweep: Sweep) -> list[sqlite3.Row]:
        return self._store.execute(
            "SELECT id, name, state, stop_ordered, history_lines FROM runs WHERE sweep_id = ?",
            sweep.id,
        ).fetchall()

    def forget(self, run: Run) -> None:
        """Forget what was read of a run whose history has changed."""
        if run.sweep_id is not None and run.sweep_id in self._sweeps:
            self._sweeps[run.sweep_id].forget(run)

    def forget_sweep(self, sweep: Sweep) -> None:
        """Forget the values of a sweep that has ended."""
        self._sweeps.pop(sweep.id, None)
