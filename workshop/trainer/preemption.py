"""The warning that a trial gets before its machine is taken away.

SLURM sends it some time before a task's time limit, or before another job takes the task's
place; `slurm/sweep_submission.slrm` hands it on as SIGUSR1.
"""

import signal


class Preempted(Exception):  # noqa: N818 - it is no error
    """A trial has ended because it was warned: its run is to go on in another process."""


_warned = False


def listen() -> None:
    """From now on take SIGUSR1 as the warning; only the main thread may call this."""
    signal.signal(signal.SIGUSR1, _note)


def check() -> None:
    """Return if there was no warning.

    Raises:
        Preempted: There was one.
    """
    if _warned:
        raise Preempted(
            "preempted: this task's time is nearly over, or another job takes its place; the run "
            "goes on from its last complete epoch when the sweep hands it to an agent again"
        )


def _note(*_: object) -> None:
    global _warned
    _warned = True
