"""A rehearsal cluster: a real SLURM of two small nodes on this machine, without root.

The functions below are the whole interface, and `workshop cluster` has a command for each.  The
cluster is built on SLURM's commands alone (`workshop.slurm.commands`), and knows of no sweep.
"""

from workshop.rehearsal.cluster import command, running, start, status, stop
from workshop.rehearsal.levers import boot, crash, drain, fill, preempt, slow, undrain

__all__ = [
    "boot", "command", "crash", "drain", "fill", "preempt", "running", "slow", "start", "status",
    "stop", "undrain",
]  # fmt: skip
