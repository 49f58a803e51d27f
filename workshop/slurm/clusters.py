"""Which SLURM serves a site: the one that this process's environment leads to, or the rehearsal's.

Here alone the rest of this package knows of the rehearsal cluster (`workshop.rehearsal`).
"""

import os
from collections.abc import Callable
from pathlib import Path

from workshop.slurm import notes

REHEARSAL = "rehearsal"
"""The site whose cluster is this machine's own, which `workshop cluster` starts and stops."""


def variables(site: str) -> dict[str, str]:
    """Return the variables by which SLURM's commands, and tasks, reach the cluster of a site.

    They are none for a site whose cluster is not the kit's.

    Raises:
        WorkshopError: it is the rehearsal cluster, and SLURM's programs are missing.
    """
    if not _is_rehearsal(site):
        return {}
    from workshop.rehearsal import places

    # A task is a login shell, which sets PATH anew: the file that it sources first adds to it.
    return places.variables() | {"WORKSHOP_SETUP": str(places.shell_file())}


def start(site: str, show: Callable[[str], object]) -> dict[str, str]:
    """Start the cluster of a site if that is the kit's own and does not run; return its variables.

    Raises:
        WorkshopError: it does not come up.
    """
    if _is_rehearsal(site):
        from workshop.rehearsal import cluster

        cluster.start(show)
    return variables(site)


def environment(site: str) -> dict[str, str]:
    """Return the environment of the commands that ask the cluster of a site.

    Raises:
        WorkshopError: that is the rehearsal cluster, which does not run.
    """
    if not _is_rehearsal(site):
        return dict(os.environ)
    from workshop.rehearsal import cluster, places

    cluster.check_running()
    return places.environment()


def environment_of(job_id: str) -> dict[str, str]:
    """Return the environment of the commands that ask about an array, by where it was submitted.

    Raises:
        WorkshopError: that was the rehearsal cluster, which does not run.
    """
    return environment(str(notes.recorded(job_id).get("site", "")))


def _is_rehearsal(site: str) -> bool:
    """Tell whether a site, by its name or the file of its profile, is the rehearsal cluster."""
    return Path(site).stem == REHEARSAL
