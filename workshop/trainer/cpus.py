"""How many CPUs this process may use, and its fair share of them."""

import os
from pathlib import Path

from workshop.settings import PREFIX, settings


def available_cpus() -> int:
    """Return the number of CPUs that this process may use.

    It is the minimum of the limits by the operating system (CPU affinity), SLURM
    (`SLURM_CPUS_PER_TASK`, else `SLURM_CPUS_ON_NODE`) and the control group (a container's CPU
    quota).
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    slurm = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    limits = [affinity or 1, int(slurm) if slurm else None, cgroup_cpus()]
    return max(1, min(limit for limit in limits if limit is not None))


def fair_share() -> int:
    """Return the CPUs for each of the agents that run at once on this machine.

    `WORKSHOP_AGENTS` says how many there are.  On two CPUs, two trainers with two threads each are
    several times slower than two with one thread each.
    """
    return max(1, available_cpus() // settings().agents)


def shared_by(agents: int) -> dict[str, str]:
    """Return the environment variables for agents that share this process's CPUs."""
    return {f"{PREFIX}AGENTS": str(agents * settings().agents)}


def cgroup_cpus(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Return the CPU quota of this process's control group, rounded down; None without one.

    A group is also limited by its ancestors' quotas.  See the kernel's documentation of
    `cpu.max` (version 2) and of `cpu.cfs_quota_us` (version 1).
    """
    quotas = []
    for line in membership.read_text().splitlines() if membership.exists() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "cpu" if controllers else root
        group = mount / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(mount):
                quotas += _quota(folder)
    return max(1, int(min(quotas))) if quotas else None


def _quota(folder: Path) -> list[float]:
    """Return the quota of one group, in CPUs, as a list of one or none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
    except OSError:
        return []
    return [int(quota) / int(period)] if quota.strip() not in ("max", "-1") else []
