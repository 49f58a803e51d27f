from .registration import cancel, get, newest, register, remaining, resume, runs, states, stop

__all__ = [
    "cancel",
    "get",
    "newest",
    "register",
    "remaining",
    "resume",
    "runs",
    "states",
    "stop",
]
