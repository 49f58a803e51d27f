"""Look at this machine before a sweep does: what was found, and what to do about it."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from workshop.preflight.finding import REINSTALL, Finding
from workshop.preflight.report import as_json, as_table, as_text

__all__ = ["Finding", "as_json", "as_table", "as_text", "check_setup"]


def check_setup(
    scale: str = "smoke", backend: str = "auto", site: str = "generic"
) -> list[Finding]:
    """Return what was found about this machine.  Nothing is started and nothing left behind.

    Args:
        scale: what a trial will train with; decides which data are looked for.
        backend: which W&B is looked at, as `workshop.connection.backend.connect` takes it.
        site: the profile of the cluster, a file of `configs/sites`.
    """
    return [
        *_looked_at("Python", "machine"),
        *_looked_at("W&B", "server", backend),
        *_looked_at("folders", "storage"),
        *_looked_at("data", "trial", {"scale": scale}),
        *_looked_at("SLURM", "cluster", site),
    ]


def _looked_at(subject: str, module: str, *arguments: Any) -> Iterator[Finding]:
    """Yield the findings of a module, and one that says so if it cannot look."""
    try:
        yield from import_module(f"{__name__}.{module}").findings(*arguments)
    except (ImportError, OSError) as error:  # OSError: a library that torch loads is not there
        yield Finding(subject, f"cannot be looked at ({error})", "problem", REINSTALL)
