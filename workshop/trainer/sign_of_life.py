"""A sign of life within an epoch that takes long."""

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TypeVar

from workshop import durations

Batch = TypeVar("Batch")

INTERVAL_S = 20.0
"""The longest silence of a run.  After a shorter epoch, its metrics are sign enough."""

LONG_RUN_S = 600.0
"""From this estimate on, the smaller scales are mentioned."""


def announced(
    batches: Iterable[Batch],
    steps: int,
    epoch: int,
    num_epochs: int,
    clock: Callable[[], float] = perf_counter,
) -> Iterator[Batch]:
    """Pass on an epoch's batches, and print regularly how far it is and how long the run will take.

    The estimate is that of the epoch's own pace so far.  On a GPU, which computes behind Python's
    back, it is too short by what waits in its queue.

    Args:
        batches: of this epoch.
        steps: their number.
        epoch: its number, from 1.
        num_epochs: of the whole run.
        clock: the time in seconds.
    """
    begun = told = clock()
    for done, batch in enumerate(batches):
        now = clock()
        if done and now - told >= INTERVAL_S:
            epochs_left = num_epochs - epoch + 1 - done / steps
            left = (now - begun) * steps / done * epochs_left
            line = f"epoch {epoch}/{num_epochs} · step {done} of {steps} · "
            line += f"{durations.rough(left)} left for this run"
            if told == begun and epoch == 1 and left > LONG_RUN_S:
                line += " (for a first look, set scale to smoke or tiny: configs/scales/)"
            print(line, flush=True)
            told = now
        yield batch
