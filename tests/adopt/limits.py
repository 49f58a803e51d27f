"""Limits of trials that end only what hangs: on a busy machine, a program takes its time."""

from tests.waiting import patience
from workshop.adopt.trials import Limits

LIMITS = Limits(seconds=patience(600), rows=1000)
WARNED_S = patience(300)
"""Seconds that a program has to end after a signal."""
AS_OPTIONS = ["--seconds", f"{LIMITS.seconds:.0f}", "--rows", str(LIMITS.rows)]
