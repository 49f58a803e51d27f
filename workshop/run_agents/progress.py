"""Print a sweep's progress while agents work on it elsewhere."""

import time
from collections.abc import Callable

from workshop import durations
from workshop.initialize.registration import get, states
from workshop.initialize.run_states import ENDED


def follow(path: str, working: Callable[[], bool], interval: float = 2.0) -> None:
    """Poll the server, and print a line whenever the states of the sweep's runs change.

    Args:
        path: the sweep, `entity/project/ID`.
        working: returns whether agents are still running; if not, polling ends.
        interval: polling interval in seconds.
    """
    start = time.monotonic()
    expected = get(path).expected_run_count
    of_all = "" if expected is None else f" of {expected}"
    seen, ended_before = None, 0
    while True:
        last_look = not working()
        count = states(path)
        if count != seen:
            ended = sum(count[state] for state in ENDED)
            if expected is not None:
                ended = min(ended, expected)  # a scheduler enqueues some that never start
            if seen is None:
                ended_before = ended
            now = ", ".join(f"{number} {state}" for state, number in sorted(count.items()))
            seconds = time.monotonic() - start
            line = f"{seconds:4.0f} s · {ended}{of_all} ended · {now or 'no runs yet'}"
            to_do = None if expected is None else expected - ended_before
            if left := seconds_left(seconds, ended - ended_before, to_do):
                line += f" · {durations.rough(left)} left"
            print(line, flush=True)
            seen = count
        if last_look:
            return
        time.sleep(interval)


def seconds_left(elapsed: float, ended: int, expected: int | None) -> float | None:
    """Return how long a sweep will take yet if it keeps its pace; None if that isn't known.

    Args:
        elapsed: seconds so far.
        ended: the number of runs that ended meanwhile.
        expected: the number of runs in all, None if the sweep has no last one.
    """
    if not ended or expected is None:
        return None
    return elapsed / ended * max(0, expected - ended)
