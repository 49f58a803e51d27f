"""What a sweep has tried, stored so that finding the next point takes constant time.

A run is put in when it is made and again whenever it changes; nothing looks at all of them.
"""

import bisect
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from functools import cached_property

from sweepserver.search.distributions import sample
from sweepserver.search.grid import Grid
from sweepserver.search.metric import Metric
from sweepserver.search.parameters import SearchError, distribution, flatten
from sweepserver.search.points import Trial, key, nest

# Trials that the Gaussian process is shown, more than it learns from.
MOST_BEST_TRIALS, MOST_NEWEST_TRIALS = 150, 1000


class Past:
    """The trials of one sweep.

    Args:
        config: The sweep's configuration, which `check` has passed.
        trials: Those to begin with; they are numbered from 0.
    """

    def __init__(self, config: dict, trials: Iterable[Trial] = ()):
        self._config = config
        self._metric = Metric.of(config)
        self._target = config["metric"].get("target") if self._metric else None
        # A scheduler may search without them.
        method = config["method"] if config.get("parameters") else None
        self._tried = TriedGrid(Grid(config)) if method == "grid" else None
        self._learned = Learned(config) if method == "bayes" else None
        self._numbers: set[int] = set()
        self._reached: set[int] = set()
        for number, trial in enumerate(trials):
            self.put(number, trial)

    @property
    def needs_values(self) -> bool:
        """Whether the runs' values of the metric make a difference."""
        return self._target is not None or self._learned is not None

    @property
    def count(self) -> int:
        """How many trials there are."""
        return len(self._numbers)

    def put(self, number: int, trial: Trial) -> None:
        """Add a trial, or update it.

        Args:
            number: What the trial is known by; later ones have larger numbers.
            trial: The trial.
        """
        self._numbers.add(number)
        self._reached.discard(number)
        if self._metric and self._target is not None and trial.value is not None:
            sign = self._metric.sign
            if sign * trial.value <= sign * self._target:
                self._reached.add(number)
        if self._tried:
            self._tried.put(number, trial)
        if self._learned:
            self._learned.put(number, trial)

    def drop(self, number: int) -> None:
        """Forget a trial, if it is there."""
        self._numbers.discard(number)
        self._reached.discard(number)
        for part in (self._tried, self._learned):
            if part:
                part.drop(number)

    @property
    def is_done(self) -> bool:
        """Whether the sweep has had its `run_cap` of runs, or one that reached `metric.target`."""
        cap = self._config.get("run_cap")
        return bool(self._reached) or (cap is not None and self.count >= cap)

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left to try, by any method."""
        return self.is_done or (self._tried is not None and self._tried.remaining == 0)

    @property
    def remaining(self) -> int | None:
        """How many runs the sweep is still to have, None if it never ends by itself.

        A grid lacks the points that nothing tried, whatever else was; a `run_cap` counts every run.
        """
        if self.is_done:
            return 0
        limits = []
        if self._config.get("run_cap") is not None:
            limits.append(self._config["run_cap"] - self.count)
        if self._tried:
            limits.append(self._tried.remaining)
        return min(limits, default=None)

    def suggest(self, rng: random.Random) -> dict | None:
        """Return the next point of a grid, or one at random; None if nothing is left to try.

        Args:
            rng: The source of randomness.
        """
        if self.is_exhausted:
            return None
        return self._tried.next() if self._tried else random_point(self._config, rng)

    def learned(self) -> list[Trial]:
        """Return what the Gaussian process is to learn from: the best trials and the newest."""
        return self._bayes.telling()

    def all(self) -> list[Trial]:
        """Return all trials of a sweep with `method: bayes`, the first one first."""
        return self._bayes.all()

    def __contains__(self, point: dict) -> bool:
        """Return whether a point of a sweep with `method: bayes` was tried."""
        return point in self._bayes

    @property
    def _bayes(self) -> "Learned":
        """What is kept of a sweep with `method: bayes`, the only one that learns."""
        if self._learned is None:
            raise SearchError("Only a sweep with method bayes learns from its trials.")
        return self._learned


class TriedGrid:
    """Which points of a grid were tried, and which is the first that was not."""

    def __init__(self, grid: Grid):
        self._grid = grid
        self._indices: dict[int, int] = {}  # by the trial's number
        self._runs: Counter[int] = Counter()  # by index
        self._end = 0  # all before it were tried, but for
        self._freed: list[int] = []  # a heap; some may have been tried again

    @property
    def remaining(self) -> int:
        """How many points were not tried."""
        return self._grid.size - len(self._runs)

    def put(self, number: int, trial: Trial) -> None:
        """See `Past.put`."""
        index = self._grid.index(trial.point)
        if index == self._indices.get(number):
            return
        self.drop(number)
        if index is not None:
            self._indices[number] = index
            self._runs[index] += 1

    def drop(self, number: int) -> None:
        """See `Past.drop`."""
        index = self._indices.pop(number, None)
        if index is None:
            return
        self._runs[index] -= 1
        if not self._runs[index]:
            del self._runs[index]
            if index < self._end:
                heapq.heappush(self._freed, index)

    def next(self) -> dict:
        """Return the first point that was not tried; there must be one."""
        while self._freed and self._freed[0] in self._runs:
            heapq.heappop(self._freed)
        if self._freed:
            return self._grid.point(self._freed[0])
        while self._end in self._runs:
            self._end += 1
        return self._grid.point(self._end)


class Learned:
    """The trials of a sweep with `method: bayes`, the best of them at hand."""

    def __init__(self, config: dict):
        self._config = config
        self._trials: dict[int, Trial] = {}
        self._ranked: list[tuple[float, int]] = []  # loss and number, of those that have ended
        self._keys: Counter = Counter()

    @cached_property
    def _sign(self) -> int:
        return Metric.required(self._config).sign

    @cached_property
    def _paths(self) -> list[tuple[str, ...]]:
        parameters = flatten(self._config["parameters"])
        return [path for path, settings in parameters if distribution(settings) != "constant"]

    def put(self, number: int, trial: Trial) -> None:
        """See `Past.put`."""
        self._forget(number)
        is_late = bool(self._trials) and number < next(reversed(self._trials))
        is_misplaced = is_late and number not in self._trials
        self._trials[number] = trial
        if is_misplaced:  # its deletion was undone, say
            self._trials = dict(sorted(self._trials.items()))
        self._keys[key(trial.point, self._paths)] += 1
        if (rank := self._rank(number)) is not None:
            bisect.insort(self._ranked, rank)

    def drop(self, number: int) -> None:
        """See `Past.drop`."""
        self._forget(number)
        self._trials.pop(number, None)

    def _forget(self, number: int) -> None:
        if number not in self._trials:
            return
        place = key(self._trials[number].point, self._paths)
        self._keys[place] -= 1
        if not self._keys[place]:
            del self._keys[place]
        if (rank := self._rank(number)) is not None:
            del self._ranked[bisect.bisect_left(self._ranked, rank)]

    def _rank(self, number: int) -> tuple[float, int] | None:
        trial = self._trials[number]
        if trial.is_live or trial.value is None:
            return None
        return self._sign * trial.value, number

    def telling(self) -> list[Trial]:
        """See `Past.learned`."""
        numbers = set(itertools.islice(reversed(self._trials), MOST_NEWEST_TRIALS))
        numbers.update(number for _, number in self._ranked[:MOST_BEST_TRIALS])
        return [self._trials[number] for number in sorted(numbers)]

    def all(self) -> list[Trial]:
        """See `Past.all`."""
        return list(self._trials.values())

    def __contains__(self, point: dict) -> bool:
        return key(point, self._paths) in self._keys


def random_point(config: dict, rng: random.Random) -> dict:
    """Return a point at random."""
    return nest({path: sample(settings, rng) for path, settings in flatten(config["parameters"])})
