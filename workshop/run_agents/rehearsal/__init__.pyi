from .cluster import command, running, session, start, status, stop
from .levers import boot, crash, drain, expire, fill, preempt, slow, undrain

__all__ = [
    "boot",
    "command",
    "crash",
    "drain",
    "expire",
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
