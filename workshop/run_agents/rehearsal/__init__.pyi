from .cluster import command, running, session, start, status, stop
from .levers import boot, crash, drain, fill, preempt, slow, undrain

__all__ = [
    "boot",
    "command",
    "crash",
    "drain",
    "fill",
    "preempt",
    "running",
    "session",
    "slow",
    "start",
    "status",
    "stop",
    "undrain",
]
