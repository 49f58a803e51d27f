"""Say how far a sweep is while agents work on it elsewhere."""

import time
from collections.abc import Callable

from workshop.initialize.registration import get, states
from workshop.initialize.run_states import ENDED


def follow(path: str, working: Callable[[], bool], interval: float = 2.0) -> None:
    """Print a line whenever the states of the sweep's runs change, until `working()` is false.

    Args:
        path: the sweep, `entity/project/ID`.
        working: tells whether agents are still at work.
        interval: seconds between two looks at the server.
    """
    start = time.monotonic()
    expected = get(path).expected_run_count
    of_all = "" if expected is None else f" of {expected}"
    seen = None
    while True:
        last_look = not working()
        count = states(path)
        if count != seen:
            ended = sum(count[state] for state in ENDED)
            now = ", ".join(f"{number} {state}" for state, number in sorted(count.items()))
            seconds = time.monotonic() - start
            print(f"{seconds:4.0f} s · {ended}{of_all} ended · {now or 'no run yet'}", flush=True)
            seen = count
        if last_look:
            return
        time.sleep(interval)
