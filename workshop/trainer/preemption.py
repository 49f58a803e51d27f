"""Preemption: a trial is warned, ends after its current step, and is resumed later.

SLURM sends the warning some time before a task's time limit, or before another job takes the
task's place; `slurm/sweep_submission.slrm` forwards it as SIGUSR1.  The first interrupt (Ctrl-C,
SIGINT) has the same effect; the second one ends the process immediately.
"""

import signal

_BACK = "the run will resume after its last complete epoch when an agent gets it again"
PREEMPTED = f"preempted: this task nears its time limit, or another job takes its place; {_BACK}"
INTERRUPTED = f"interrupted: {_BACK}"


class Preempted(Exception):  # noqa: N818 - it is not an error
    """A trial has ended because it was warned; its run will be resumed in another process."""


_warning = ""


def listen() -> None:
    """Treat SIGUSR1 and the first SIGINT as the warning; call this from the main thread."""
    signal.signal(signal.SIGUSR1, lambda *_: warn(PREEMPTED))
    signal.signal(signal.SIGINT, _note_interrupt)


def warn(why: str) -> None:
    """Warn the trial of this process, which ends after its current step.

    Args:
        why: `PREEMPTED` or `INTERRUPTED`; the last line of the trial's log.
    """
    global _warning
    _warning = why


def forget() -> None:
    """Clear the warning, so that this process can start another trial."""
    warn("")


def check() -> None:
    """Raise `Preempted` if the trial was warned.

    Raises:
        Preempted: There was a warning.
    """
    if _warning:
        raise Preempted(_warning)


def _note_interrupt(*_: object) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warn(INTERRUPTED)
