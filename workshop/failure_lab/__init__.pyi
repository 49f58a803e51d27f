from .lab import FAILURES, PROGRAM, STRUCK, SURPRISE, diagnose, register, remarkable, run_agents

__all__ = [
    "FAILURES",
    "PROGRAM",
    "STRUCK",
    "SURPRISE",
    "diagnose",
    "register",
    "remarkable",
    "run_agents",
]
