from .lab import (
    FAILURES,
    PROGRAM,
    STRUCK,
    SURPRISE,
    diagnose,
    go_on,
    register,
    remarkable,
    run_agents,
)

__all__ = [
    "FAILURES",
    "PROGRAM",
    "STRUCK",
    "SURPRISE",
    "diagnose",
    "go_on",
    "register",
    "remarkable",
    "run_agents",
]
