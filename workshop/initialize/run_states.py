"""The states of runs and sweeps, by what they mean for whoever waits for them."""

ENDED = ("finished", "failed", "crashed", "killed")
"""States of a run to which nothing is added any more."""

CLOSED = ("FINISHED", "CANCELED", "CRASHED", "FAILED")
"""States of a sweep in which it hands out no more runs."""
