"""How long agents and runs have been silent, by the monotonic clock.

The time of day may be set forwards or back during a sweep, by hand, by the network or after
a suspension.  What is stored and shown is the time of day; what is measured here is the time that
has passed in this process, which forgets it with its end: after a start, whoever was not heard yet
is silent since then.
"""

import time
from collections.abc import Callable, Collection

from sweepserver.store.records import Agent, Run

DEAFNESS_S = 60  # between two looks: the whole machine was asleep, clients too


class Silence:
    """Measures the silence of agents and runs.

    Args:
        elapsed: Seconds that have passed since some moment.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic):
        self._elapsed = elapsed
        self._listening_since = self._looked_at = elapsed()
        self._heard: dict[tuple[type, int], float] = {}
        self._missing: dict[int, float] = {}  # runs that their agents do not list, since when

    def look(self, live: Collection[int]) -> None:
        """Take note that the server is there to hear; to be called every few seconds.

        Args:
            live: The numbers of all live runs.  Others are forgotten, and only here:
                elsewhere it is not known yet whether the end of a run will be kept.
        """
        now = self._elapsed()
        if now - self._looked_at > DEAFNESS_S:
            self._listening_since = now
        self._looked_at = now
        known = set(live)
        self._heard = {k: at for k, at in self._heard.items() if k[0] is Agent or k[1] in known}
        self._missing = {number: at for number, at in self._missing.items() if number in known}

    def touch(self, record: Agent | Run) -> None:
        """Record a sign of life."""
        self._heard[type(record), record.id] = self._elapsed()
        if isinstance(record, Run):
            self.found(record)

    def has_heard(self, record: Agent | Run) -> bool:
        """Return whether there was a sign of life since the server has been listening."""
        return self._heard.get((type(record), record.id), -1) >= self._listening_since

    def seconds(self, record: Agent | Run) -> float:
        """Return for how long nothing came, while the server was listening."""
        return self.seconds_of(type(record), record.id)

    def seconds_of(self, kind: type[Agent | Run], number: int) -> float:
        """Return the same of the record with a number."""
        heard = self._heard.get((kind, number), self._listening_since)
        return self._elapsed() - max(heard, self._listening_since)

    def miss(self, run: Run) -> float:
        """Return since how many seconds the agent of a run does not list it, 0 for the first."""
        now = self._elapsed()
        return now - self._missing.setdefault(run.id, now)

    def found(self, run: Run) -> None:
        """Take note that the agent of a run lists it."""
        self._missing.pop(run.id, None)
