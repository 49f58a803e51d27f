"""Interrupt agents without losing their current run: it goes back to its sweep.

W&B's sweeps never retry a run that failed, so a trial that is cut off in the middle would leave a
hole in the grid.  Instead an interrupt lets the trial end after its current step, as a preemption
does.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents.slurm.requeue import hand_back
from workshop.trainer import preemption
from workshop.wording import count

TRIAL_LIMIT_S = 60
"""Timeout for an interrupted trial, after which it is cut off."""
_SAID = "Interrupted: the run will end after its current step; interrupt again to cut it off …"


class Trial:
    """The current trial of an agent in this process, if it has one."""

    def __init__(self) -> None:
        """Start without a trial."""
        self._run = self._interrupted = ""
        self._thread: threading.Thread | None = None

    @contextmanager
    def of(self, run: str) -> Iterator[None]:
        """Be the trial of a run, in the thread that the agent has started for it."""
        self._run, self._thread = run, threading.current_thread()
        try:
            yield
        finally:
            self._run = ""

    def end(self) -> None:
        """Ask the trial to end after its current step, and wait until it has."""
        if self._run:
            self._interrupted = self._run
            preemption.warn(preemption.INTERRUPTED)
            print(_SAID, file=sys.stderr, flush=True)
            self._join()

    def hand_back(self, path: str) -> None:
        """Hand the interrupted run back to its sweep, unless the program has done so itself.

        Raises:
            WorkshopError: the server refuses.
        """
        if self._interrupted:
            self._join()
            hand_back(path, self._interrupted)

    def _join(self) -> None:
        if self._thread:
            self._thread.join(TRIAL_LIMIT_S)


@contextmanager
def in_this_process(path: str, trial: Trial) -> Iterator[None]:
    """Let an interrupt end this process's agent, after its trial's current step.

    A second interrupt cuts the trial off.  Outside the main thread, where Python gets no
    interrupts, this does nothing.

    Args:
        path: the sweep, `entity/project/ID`.
        trial: the agent's current trial.

    Raises:
        WorkshopError: it was interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def handle(*_: object) -> NoReturn:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            trial.end()
        raise KeyboardInterrupt  # ends the client's agent, which catches it

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    except KeyboardInterrupt:
        if not interrupted:
            raise
    finally:
        signal.signal(signal.SIGINT, before)
        preemption.forget()
    if interrupted:
        trial.hand_back(path)
        raise interruption(path)


@contextmanager
def of_processes(path: str) -> Iterator[None]:
    """Turn an interrupt into an error that says how to continue, once the agents have ended.

    Raises:
        WorkshopError: it was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise interruption(path) from None


def interruption(path: str) -> WorkshopError:
    """Return the error for an interrupted sweep: how many runs are left, and how to continue."""
    left = _asked(lambda: registration.remaining(path))
    back = _asked(lambda: registration.states(path)["preempted"]) or 0
    runs = "" if left is None else f" with {count(left + back, 'run')} left"
    return WorkshopError(f"interrupted{runs}: run this again to continue sweep {path}")


def _asked(question: Callable[[], int | None]) -> int | None:
    """Return the server's answer; None if it doesn't answer."""
    try:
        return question()
    except WorkshopError:
        return None
