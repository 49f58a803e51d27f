"""What a sweep has tried, and how many runs it is still to have."""

import json
from collections import OrderedDict
from dataclasses import dataclass, field

from sweepserver import search
from sweepserver.errors import Unready
from sweepserver.inputs import LARGEST_INT64
from sweepserver.store import history
from sweepserver.store.database import Store
from sweepserver.store.records import LIVE_STATES, Run, Sweep
from sweepserver.values import unwrap

MOST_SWEEPS_KEPT = 100
# Of what is read within one transaction; the rest is read in parts before.
MOST_RUNS_AT_ONCE, MOST_CONFIG_CHARACTERS = 20, 10_000
PART_CHARACTERS = 2**18
MOST_POINT_CHARACTERS = 100_000  # points are kept in memory
# What a trial follows from.
COLUMNS = ("sweep_id", "suggestion", "config", "state", "summary", "extremes")


@dataclass(slots=True)
class Kept:
    """The past of a sweep.

    Attributes:
        config: The configuration that it is the past of.
        past: The past.
        changed: The numbers of runs that are to be put into it, or have changed since they were.
    """

    config: str
    past: search.Past
    changed: dict[int, None] = field(default_factory=dict)


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
        self._changing: set[tuple[int | None, int]] = set()
        store.watch(Run, COLUMNS, self._changed, self._transaction_ended)

    def of(self, sweep: Sweep) -> search.Past:
        """Return what a sweep has tried, as of now; who only reads may look at its counts alone.

        Raises:
            Unready: Much is to be read first, and others would wait for it.
        """
        self._prepare(sweep)
        with self._store.locked():
            return self._of(sweep)

    def expected_runs(self, sweep: Sweep) -> int | None:
        """Return how many runs a sweep will have had in the end.

        They are the runs that it has, prior and repeated ones too, and those that it lacks.  It is
        None if the sweep never ends by itself, or nearly so: with more runs than 64 bits count.

        Raises:
            Unready: As by `of`.
        """
        self._prepare(sweep)
        with self._store.locked():
            past = self._of(sweep)
            expected = None if past.remaining is None else past.count + past.remaining
        return expected if expected is not None and expected <= LARGEST_INT64 else None

    def read(self, sweep: Sweep) -> None:
        """Read what there is to be read of a sweep in parts, so that others write in between."""
        past = search.Past(sweep.settings)
        with self._store.locked():
            kept = self._begin(sweep, past)
        while kept.changed:
            with self._store.locked():
                if self._kept.get(sweep.id) is not kept:
                    return
                self._read_part(sweep, kept)

    def _prepare(self, sweep: Sweep) -> None:
        if self._has_much(sweep):
            if self._store.is_writing:
                raise Unready((self.read, sweep))
            self.read(sweep)

    def _has_much(self, sweep: Sweep) -> bool:
        """Return whether much of a sweep is to be read."""
        most = MOST_RUNS_AT_ONCE
        if self._store.is_writing:  # what the transaction itself has changed can't be read before
            most += sum(sweep_id == sweep.id for sweep_id, _ in self._changing)
        kept = self._kept.get(sweep.id)
        if kept is not None and kept.config == sweep.config:
            return len(kept.changed) > most
        statement = "SELECT 1 FROM runs WHERE sweep_id = ? LIMIT 1 OFFSET ?"
        is_much = self._store.execute(statement, sweep.id, most).fetchone()
        return len(sweep.config) > MOST_CONFIG_CHARACTERS or is_much is not None

    def _of(self, sweep: Sweep) -> search.Past:
        kept = self._begin(sweep)
        while kept.changed:
            self._read_part(sweep, kept)
        return kept.past

    def _begin(self, sweep: Sweep, past: search.Past | None = None) -> Kept:
        """Return what is kept of a sweep; nothing of it was read yet if it is new."""
        kept = self._kept.get(sweep.id)
        if kept is None or kept.config != sweep.config:
            rows = self._store.execute(
                "SELECT id FROM runs WHERE sweep_id = ? ORDER BY id", sweep.id
            )
            numbers = dict.fromkeys(number for (number,) in rows)
            kept = Kept(sweep.config, past or search.Past(sweep.settings), numbers)
            self._kept[sweep.id] = kept
        self._kept.move_to_end(sweep.id)
        if len(self._kept) > MOST_SWEEPS_KEPT:
            self._kept.popitem(last=False)
        return kept

    def _read_part(self, sweep: Sweep, kept: Kept) -> None:
        """Put some runs of a sweep into its past, as they are now."""
        metric = sweep.metric if kept.past.needs_values else None
        size = 0
        while kept.changed and size < PART_CHARACTERS:
            number = next(iter(kept.changed))
            row = self._store.execute(
                "SELECT suggestion, config, state, summary, extremes FROM runs "
                "WHERE id = ? AND sweep_id = ?",
                number,
                sweep.id,
            ).fetchone()
            if row is None:
                kept.past.drop(number)
            else:
                suggestion, config, state, summary, extremes = row
                size += 100 + len(suggestion or "") + len(config) + len(summary) + len(extremes)
                value = metric and history.value_of(metric, summary, extremes)
                point = point_of(*(text if fits(text) else "{}" for text in (suggestion, config)))
                kept.past.put(number, search.Trial(point, value, state in LIVE_STATES))
            del kept.changed[number]

    def _changed(self, sweep_id: int | None, run_id: int) -> None:
        self._changing.add((sweep_id, run_id))
        self._reread(sweep_id, run_id)

    def _transaction_ended(self) -> None:
        for sweep_id, run_id in self._changing:
            self._reread(sweep_id, run_id)
        self._changing.clear()

    def _reread(self, sweep_id: int | None, run_id: int) -> None:
        """Update a run in the past of its sweep, if that is kept."""
        if sweep_id is not None and sweep_id in self._kept:
            self._kept[sweep_id].changed[run_id] = None


def fits(text: str | None) -> bool:
    """Return whether what may hold a run's point is short enough for that."""
    return text is None or len(text) <= MOST_POINT_CHARACTERS


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
