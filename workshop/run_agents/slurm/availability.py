"""Find out whether an array can run from here, and on which cluster."""

from dataclasses import dataclass

from workshop.errors import WorkshopError
from workshop.run_agents.slurm import commands
from workshop.run_agents.slurm.site import REHEARSAL, is_rehearsal, load

AUTO = "auto"
"""Instead of a site: the SLURM that answers here, or else the rehearsal cluster."""


@dataclass(frozen=True)
class Availability:
    """Whether an array can run from here, and on which cluster.

    Attributes:
        site: the profile to plan an array with; empty if no array can run.
        is_free: whether a lesson may submit to it unasked.  It may use the rehearsal cluster,
            where an array costs nothing, and a site that was named.
        words: which cluster it is, or why there is none, as a line of text.
    """

    site: str
    is_free: bool
    words: str

    def __str__(self) -> str:
        """Return the line of text."""
        return self.words


def available(site: str = AUTO) -> Availability:
    """Find out whether an array can run from here, and on which cluster; nothing is started.

    Args:
        site: the profile of a cluster, or `auto`: the SLURM that answers here, with the profile
            `generic`, or else the rehearsal cluster.
    """
    if not is_rehearsal(site):
        own = _own("generic", False) if site == AUTO else _own(site, True)
        if own.site or site != AUTO:
            return own
    from workshop.run_agents.rehearsal import cluster

    try:
        runs = cluster.check_startable()
    except WorkshopError as error:
        return _none(error)
    state = "is running" if runs else "starts with the first array"
    return Availability(
        REHEARSAL if site == AUTO else site,
        True,
        f"SLURM arrays use the rehearsal cluster on this machine, which {state}",
    )


def _own(site: str, is_free: bool) -> Availability:
    """Return whether the SLURM that this process's environment leads to answers."""
    try:
        load(site)
        commands.ping()
    except WorkshopError as error:
        return _none(error)
    return Availability(site, is_free, f"SLURM arrays can run here, with the site profile {site}")


def _none(error: WorkshopError) -> Availability:
    return Availability("", False, f"SLURM arrays can't run here: {error}")
