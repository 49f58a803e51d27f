"""Show how far a sweep is while agents work on it elsewhere."""

import time
from collections.abc import Callable

from tqdm import tqdm

from workshop.sweep import get, states

ENDED = ("finished", "failed", "crashed", "killed")


def follow(path: str, working: Callable[[], bool], interval: float = 2.0) -> None:
    """Draw a progress bar of the sweep's ended runs until `working()` is false.

    Args:
        path: the sweep, `entity/project/ID`.
        working: tells whether agents are still at work.
        interval: seconds between two looks at the server.
    """
    total = get(path).expected_run_count
    with tqdm(total=total, unit="run", desc="runs ended") as bar:
        while True:
            last_look = not working()
            count = states(path)
            bar.n = sum(count[state] for state in ENDED)
            bar.set_postfix(dict(sorted(count.items())))
            if last_look:
                return
            time.sleep(interval)
