"""Preemption: a trial is warned, ends after its current step, and is resumed later.

SLURM sends the warning some time before a task's time limit, or before another job takes the
task's place; `slurm/sweep_submission.slrm` forwards it as SIGUSR1.  The first interrupt (Ctrl-C,
SIGINT) has the same effect; the second one ends the process immediately.

SIGTERM is what `scancel`, SLURM at the time limit, and other schedulers send shortly before they
kill a process.  A program may treat it as the warning as well.  But W&B's agents also send it, to a
run that is to stop for good: by early termination, or because somebody stops it on its page.  The
local server counts such a run as killed even if its program hands it back.

Programs other than the kit's may import this module: it needs only the standard library.
"""

import signal

_BACK = "the run will resume after its last complete epoch when an agent gets it again"
PREEMPTED = f"preempted: this task nears its time limit, or another job takes its place; {_BACK}"
INTERRUPTED = f"interrupted: {_BACK}"
TERMINATED = f"terminated: this task was canceled, or its time is up; {_BACK}"


class Preempted(Exception):  # noqa: N818 - it is not an error
    """A trial has ended because it was warned; its run will be resumed in another process."""


_warning = ""


def listen(terminate: bool = False) -> None:
    """Treat SIGUSR1 and the first SIGINT as the warning; call this from the main thread.

    Args:
        terminate: whether SIGTERM is a warning, too.
    """
    signal.signal(signal.SIGUSR1, lambda *_: warn(PREEMPTED))
    signal.signal(signal.SIGINT, _note_interrupt)
    if terminate:
        signal.signal(signal.SIGTERM, lambda *_: warn(TERMINATED))


def warn(why: str) -> None:
    """Warn the trial of this process, which ends after its current step.

    Args:
        why: `PREEMPTED`, `INTERRUPTED` or `TERMINATED`; the last line of the trial's log.
    """
    global _warning
    _warning = why


def forget() -> None:
    """Clear the warning, so that this process can start another trial."""
    warn("")


def warning() -> str:
    """Return why the trial was warned; "" if it wasn't."""
    return _warning


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
