"""Where the next point of a sweep comes from.

A sweep is searched by the server (grid, random, bayes), by a scheduler or by a controller in a
user's own process: `wandb sweep-scheduler` enqueues runs, which agents are given like runs that
another agent left behind; `wandb sweep --controller` writes one point after the other into the
sweep's `controller`, and reads from its `scheduler` which run each became.
"""

import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum, auto

from sweepserver import search
from sweepserver.scheduling.compute import Compute, ComputeError
from sweepserver.scheduling.trials import Trials
from sweepserver.store.database import Store
from sweepserver.store.records import Run, Sweep

log = logging.getLogger(__name__)

# Requests that may wait for another one's computation, of the forty that the server works on.
MOST_AGENTS_WAITING = 8
# An agent waits 60 s for the answer to its heartbeat, and a run in a later one is lost.
LONGEST_TURN_S = 20
LONGEST_ANSWER_S = 50
BAYES = "sweepserver.search.bayes:suggest"
FAILURES_IN_A_ROW = 5  # of the computing process, until a sweep continues at random


class NoSuggestion(Enum):
    """Why there is no point."""

    NOT_YET = auto()
    EXHAUSTED = auto()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `SuggestionPending` work ended with.

    Attributes:
        config: The configuration that was searched, as YAML.
        point: The point; None if none could be computed for now.
    """

    config: str
    point: dict | None


class SuggestionPending(Exception):  # noqa: N818
    """A point must be computed first, outside the transaction, which is then to be repeated.

    Attributes:
        sweep: The sweep that is searched.
    """

    def __init__(self, proposals: "Proposals", sweep: Sweep, past: search.Past):
        super().__init__(f"The next point of sweep {sweep.name} is not computed yet.")
        self.sweep = sweep
        self._proposals = proposals
        # Others change the past meanwhile.
        self._learned, self._all = past.learned(), past.all()
        self._since = time.monotonic()

    @property
    def is_late(self) -> bool:
        """Whether the agent has probably given up waiting for the answer."""
        return time.monotonic() - self._since > LONGEST_ANSWER_S

    def turn(self) -> AbstractContextManager[bool]:
        """Return a context in which nobody else computes for the sweep.

        It gives False if too many wait already, or one took too long.
        """
        return self._proposals.turn(self.sweep)

    def work(self, compute: Compute) -> Prepared:
        """Compute the point; takes seconds."""
        return self._proposals.compute(self.sweep, self._learned, self._all, compute)


class Proposals:
    """Works out what each sweep of a store should try next."""

    def __init__(self, store: Store):
        self._store = store
        self.trials = Trials(store)
        self._random = random.Random()  # noqa: S311
        self._places = threading.BoundedSemaphore(MOST_AGENTS_WAITING)
        self._turns: dict[int, threading.Lock] = {}
        self._failures: Counter[int] = Counter()
        self._seeds: dict[int, int] = {}
        self._told: set[int] = set()  # sweeps of which the log says already what they lack
        self._warming = threading.Lock()

    def next(self, sweep: Sweep, prepared: Prepared | None) -> dict | NoSuggestion:
        """Return the next point of a sweep, as what becomes a run's config: {key: {"value": …}}.

        Args:
            sweep: The sweep.
            prepared: What was computed for this request, if it is repeated after
                `SuggestionPending`.

        Raises:
            SuggestionPending: It has to be computed first.
        """
        if sweep.is_scheduled:
            return NoSuggestion.NOT_YET
        if sweep.is_controlled:
            entry = self._entry(sweep)
            if entry is None:
                return NoSuggestion.NOT_YET
            return (
                NoSuggestion.EXHAUSTED if entry["data"]["args"] is None else entry["data"]["args"]
            )
        past = self.trials.of(sweep)
        if sweep.settings["method"] != "bayes":
            point = past.suggest(self._random)
            return NoSuggestion.EXHAUSTED if point is None else wrap(point)
        if past.is_exhausted:
            return NoSuggestion.EXHAUSTED
        if prepared is None:
            raise SuggestionPending(self, sweep, past)
        if prepared.point is None or prepared.config != sweep.config:
            return NoSuggestion.NOT_YET
        return wrap(prepared.point)

    def taken(self, sweep: Sweep, run: Run) -> None:
        """Take note that the point last returned by `next` has become a run."""
        if sweep.is_controlled and (point := self._entry(sweep)):
            entry = {"id": point["id"], "runid": run.name}
            scheduled = {"scheduled": [*self._scheduled(sweep), entry]}
            self._store.change(sweep, scheduler=json.dumps(scheduled))

    def is_exhausted(self, sweep: Sweep) -> bool:
        """Return whether nothing is left to try in a sweep without a scheduler."""
        if sweep.is_controlled:
            entry = self._entry(sweep)
            return entry is not None and entry["data"]["args"] is None
        return self.trials.of(sweep).is_exhausted

    def _entry(self, sweep: Sweep) -> dict | None:
        """Return the first point of a sweep's controller that is not a run yet."""
        done = {entry["id"] for entry in self._scheduled(sweep)}
        schedule = json.loads(sweep.controller or "{}").get("schedule") or []
        return next((entry for entry in schedule if entry["id"] not in done), None)

    def _scheduled(self, sweep: Sweep) -> list[dict]:
        return json.loads(sweep.scheduler or "{}").get("scheduled", [])

    @contextmanager
    def turn(self, sweep: Sweep) -> Iterator[bool]:
        """See `SuggestionPending.turn`."""
        if not self._places.acquire(blocking=False):
            yield False
            return
        try:
            lock = self._turns.setdefault(sweep.id, threading.Lock())
            granted = lock.acquire(timeout=LONGEST_TURN_S)
            try:
                yield granted
            finally:
                if granted:
                    lock.release()
        finally:
            self._places.release()

    def compute(
        self,
        sweep: Sweep,
        learned: list[search.Trial],
        trials: list[search.Trial],
        compute: Compute,
    ) -> Prepared:
        """See `SuggestionPending.work`; a sweep continues at random if bayes fails for good.

        Only some trials are sent to the computing process.  They are not enough to tell a point
        that was tried long ago, as there may be where parameters have few values.
        """
        config = sweep.settings
        try:
            # The same seed until there is a point: what lasts too long is found when it is ready.
            seed = self._seeds.setdefault(sweep.id, self._random.getrandbits(32))
            point = compute.run(BAYES, config, learned, seed)
            if len(learned) < len(trials) and point in search.Past(config, trials):
                point = compute.run(BAYES, config, trials, seed)
            self._failures.pop(sweep.id, None)
            self._seeds.pop(sweep.id, None)
        except ComputeError as error:
            self._failures[sweep.id] += 1
            if self._failures[sweep.id] == 1:
                log.warning("Sweep %s has no next point yet: %s", sweep.name, error)
            if self._failures[sweep.id] < FAILURES_IN_A_ROW:
                return Prepared(sweep.config, None)
            point = search.random_point(config, self._random)
        except ImportError as error:
            if sweep.id not in self._told:
                self._told.add(sweep.id)
                log.warning(
                    "Sweep %s is searched at random, because bayes needs packages that are not "
                    "installed (%s): install optuna, scipy and torch, and start the server again.",
                    sweep.name,
                    error,
                )
            point = search.random_point(config, self._random)
        except Exception:
            log.exception("Sweep %s cannot be searched by bayes; continuing at random.", sweep.name)
            point = search.random_point(config, self._random)
        return Prepared(sweep.config, point)

    def warm(self, sweep: Sweep, compute: Compute) -> None:
        """Start the computing process if a sweep is going to need it, and do not wait for it."""
        if not sweep.is_searched_here or sweep.settings["method"] != "bayes":
            return

        def load() -> None:
            try:
                compute.run(BAYES, sweep.settings, [], 0)  # for the sake of what it imports
            except Exception as error:  # the first agent will meet it again
                log.debug("Starting the computing process failed: %s", error)
            finally:
                self._warming.release()

        if self._warming.acquire(blocking=False):
            threading.Thread(target=load, daemon=True).start()


def wrap(point: dict) -> dict:
    """Return a point as a run's config has it."""
    return {name: {"value": value} for name, value in point.items()}
