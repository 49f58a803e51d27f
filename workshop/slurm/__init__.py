"""Run the agents of a sweep as a SLURM array: plan it, submit it, watch it, understand it.

The names below are the whole interface.  Each is loaded when it is first asked for, because every
task loads this package, and needs none of the libraries that planning and tables need.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ArrayJob": "array",
    "LIVE": "table",
    "RunsPerTask": "submission",
    "SCRIPT": "submission",
    "Submission": "submission",
    "as_json": "report",
    "available": "commands",
    "cancel": "cancelling",
    "counts": "report",
    "describe": "report",
    "gaps": "repairing",
    "ledger": "table",
    "occupancy": "table",
    "plan": "submission",
    "remarkable": "report",
    "repair": "repairing",
    "select": "report",
    "submit": "array",
    "wait": "array",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Return one of the names above from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
