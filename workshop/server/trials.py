"""What a sweep has tried, and how many runs it is still to have."""

import json
from collections import OrderedDict
from dataclasses import dataclass, field

from workshop.server import lines, search
from workshop.server.records import LIVE_STATES, Run, Sweep
from workshop.server.store import Store
from workshop.server.values import unwrap

MOST_KEPT = 100  # sweeps
# What a trial follows from.
COLUMNS = ("sweep_id", "suggestion", "config", "state", "summary", "extremes")


@dataclass(slots=True)
class Kept:
    """The past of a sweep.

    Attributes:
        config: The configuration that it is the past of.
        past: The past.
        changed: The numbers of runs that have changed since they were put into it.
    """

    config: str
    past: search.Past
    changed: set[int] = field(default_factory=set)


class Trials:
    """What the sweeps of a store have tried, each read once and then kept as its runs change.

    It is to be used in a block that reads or writes the store.

    Args:
        store: The store.
    """

    def __init__(self, store: Store):
        self._store = store
        self._kept: OrderedDict[int, Kept] = OrderedDict()
        # Changes of a transaction count once inside of it and again behind it, when it is known
        # whether they were kept.
        self._changing: set[tuple[int, int]] = set()
        store.watch(Run, COLUMNS, self._changed, self._transaction_ended)

    def of(self, sweep: Sweep) -> search.Past:
        """Return what a sweep has tried, as of now; who only reads may look at its counts alone."""
        with self._store.locked():
            return self._of(sweep)

    def _of(self, sweep: Sweep) -> search.Past:
        kept = self._kept.get(sweep.id)
        if kept is None or kept.config != sweep.config:
            kept = self._kept[sweep.id] = Kept(sweep.config, search.Past(sweep.settings))
            self._read(sweep, kept.past, "sweep_id = ?")
        elif kept.changed:
            # With +, SQLite finds the runs by their IDs, not all those of the sweep.
            among = "+sweep_id = ? AND id IN (SELECT value FROM json_each(?))"
            found = self._read(sweep, kept.past, among, json.dumps(sorted(kept.changed)))
            for number in kept.changed - found:
                kept.past.drop(number)
        kept.changed.clear()
        self._kept.move_to_end(sweep.id)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return kept.past

    def _read(self, sweep: Sweep, past: search.Past, condition: str, *values: str) -> set[int]:
        """Put those runs of a sweep that meet a condition into its past; return their numbers."""
        metric = sweep.metric if past.needs_values else None
        found = set()
        for number, suggestion, config, state, summary, extremes in self._store.execute(
            "SELECT id, suggestion, config, state, summary, extremes FROM runs "  # noqa: S608
            f"WHERE {condition} ORDER BY id",
            sweep.id,
            *values,
        ):
            found.add(number)
            value = metric and lines.value_of(metric, summary, extremes)
            trial = search.Trial(point_of(suggestion, config), value, state in LIVE_STATES)
            past.put(number, trial)
        return found

    def expected_runs(self, sweep: Sweep) -> int | None:
        """Return how many runs a sweep will have had in the end, None if it never ends by itself.

        They are the runs that it has, prior and repeated ones too, and those that it lacks.
        """
        with self._store.locked():
            past = self._of(sweep)
            return None if past.remaining is None else past.count + past.remaining

    def _changed(self, sweep_id: int | None, run_id: int) -> None:
        if sweep_id in self._kept:
            self._kept[sweep_id].changed.add(run_id)
            self._changing.add((sweep_id, run_id))

    def _transaction_ended(self) -> None:
        for sweep_id, run_id in self._changing:
            if sweep_id in self._kept:
                self._kept[sweep_id].changed.add(run_id)
        self._changing.clear()


def point_of(suggestion: str | None, config: str) -> dict:
    """Return a run's point: its config, and what was suggested where that lacks it."""
    return json.loads(suggestion or "{}") | unwrap(json.loads(config))


def locked(run: Run, config: str) -> str:
    """Return the config that a program sends, with what its sweep picked for it as it was.

    The client locks these values in the same way.  After a run's end its user may change them.
    """
    if run.suggestion is None:
        return config
    given = json.loads(config)
    for name, value in json.loads(run.suggestion).items():
        kept = given.get(name)
        kept = kept.get("value") if isinstance(kept, dict) else None
        # A program may add keys to a mapping that it was given.
        grown = isinstance(kept, dict) and isinstance(value, dict)
        if (run.is_live and not grown) or name not in given:
            given[name] = {"value": value}
    return json.dumps(given)
