"""The final states of runs and sweeps."""

ENDED = ("finished", "failed", "crashed", "killed")
"""States of a run that has ended."""

CLOSED = ("FINISHED", "CANCELED", "CRASHED", "FAILED")
"""States of a sweep that hands out no more runs."""
