"""Look at this machine before a sweep does: what was found, and what to do about it."""

from workshop.config import TrainingConfig
from workshop.preflight.finding import Finding
from workshop.preflight.report import as_json, as_table, as_text

__all__ = ["Finding", "as_json", "as_table", "as_text", "check_setup"]


def check_setup(
    config: TrainingConfig, backend: str = "auto", site: str = "generic"
) -> list[Finding]:
    """Return what was found about this machine.  Nothing is started and nothing left behind.

    Args:
        config: what a trial will train with; decides which data are looked for.
        backend: which W&B is looked at, as `workshop.backend.connect` takes it.
        site: the profile of the cluster, a file of `configs/sites`.

    Raises:
        WorkshopError: there is no such profile, or it has an error.
    """
    from workshop.preflight import cluster, machine, server, storage

    return [
        *machine.findings(),
        *server.findings(backend),
        *storage.findings(config),
        *cluster.findings(site),
    ]
