"""A rehearsal cluster: a real SLURM of two small nodes on this machine, without root.

The functions below are the whole interface, and `workshop cluster` has a command for each.  The
cluster is built on SLURM's own commands (`workshop.slurm.commands`), and knows of no sweep.  Each
name is loaded when it is first asked for.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "boot": "levers",
    "command": "cluster",
    "crash": "levers",
    "drain": "levers",
    "fill": "levers",
    "preempt": "levers",
    "running": "cluster",
    "slow": "levers",
    "start": "cluster",
    "status": "cluster",
    "stop": "cluster",
    "undrain": "levers",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Return one of the names above from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
