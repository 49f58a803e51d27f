"""Preflight checks: is this machine ready for a sweep, and what to do if it isn't."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from workshop.preflight.finding import REINSTALL, Finding
from workshop.preflight.report import as_json, as_table, as_text

__all__ = ["Finding", "as_json", "as_table", "as_text", "check_setup"]


def check_setup(
    scale: str = "smoke", backend: str = "auto", site: str = "generic"
) -> list[Finding]:
    """Check this machine, and return the findings.  This starts nothing and leaves no files.

    Args:
        scale: the scale of the trials, which decides which data are checked.
        backend: the W&B server to check, as in `workshop.connection.backend.connect`.
        site: the profile of the cluster, a file in `configs/sites`.
    """
    return [
        *_looked_at("Python", "machine"),
        *_looked_at("W&B", "server", backend),
        *_looked_at("folders", "storage"),
        *_looked_at("data", "trial", {"scale": scale}),
        *_looked_at("SLURM", "cluster", site),
    ]


def _looked_at(subject: str, module: str, *arguments: Any) -> Iterator[Finding]:
    """Yield the findings of a module, or one that says why it can't check."""
    try:
        yield from import_module(f"{__name__}.{module}").findings(*arguments)
    except (ImportError, OSError) as error:  # OSError: a library that torch loads is missing
        yield Finding(subject, f"cannot be checked ({error})", "problem", REINSTALL)
