"""Ask a cluster's SLURM what it has: partitions and their nodes, your accounts, CUDA modules."""

import getpass
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workshop.errors import WorkshopError
from workshop.run_agents.slurm import commands

_NODES = ("name", "state", "limit", "number", "cpus", "memory_mb", "resources")
_NODE_FORMAT = "%P|%a|%l|%D|%c|%m|%G"
_ASSOCIATION = (
    "Account", "Partition", "QOS", "DefaultQOS", "MaxWall", "MaxJobs", "MaxSubmit", "MaxTRES",
    "GrpTRES",
)  # fmt: skip
_QUALITY = ("Name", "MaxWall", "MaxJobsPU", "MaxSubmitPU", "MaxTRES", "MaxTRESPU")
# What accounting limits, in words; the name of a limit per user differs from that of an account's.
_LIMITS = {
    "MaxWall": "{} a job",
    "MaxTRES": "{} a job",
    "MaxJobs": "{} jobs at once",
    "MaxJobsPU": "{} jobs at once",
    "MaxSubmit": "{} jobs in the queue",
    "MaxSubmitPU": "{} jobs in the queue",
    "GrpTRES": "{} in all",
    "MaxTRESPU": "{} in all",
}

# The first listing of all modules, on a slow file system.
_MODULES_LIMIT_S = 60
# Lmod's `spider` also lists modules that others must make available.  The shell's own files may
# print as well, so what follows is looked for line by line.
_LIST_MODULES = "type module >/dev/null && { module -t spider || module -t avail; } 2>&1"
_CUDA = re.compile(r"((?:\S+/)?cuda(?:toolkit|core)?/[\w.+-]+)(?:\(\w+\)|<\w+>)*", re.IGNORECASE)


@dataclass(frozen=True)
class Nodes:
    """Nodes of a partition that are alike.

    Attributes:
        number: how many there are.
        cpus: CPUs of one of them.
        memory_mb: its main memory, in MB.
        gpus: its GPUs by their type; the type is empty if the cluster doesn't name it.
    """

    number: int
    cpus: int
    memory_mb: int
    gpus: Mapping[str, int]


@dataclass(frozen=True)
class Partition:
    """A partition that this user's jobs may see.

    Attributes:
        name: its name.
        is_default: whether jobs that name none queue in it.
        is_up: whether its jobs start.
        limit: its longest time, as SLURM writes it; `infinite` without a limit.
        nodes: its nodes, those that are alike together.
        allowed: the accounts that may use it; None for all that aren't `denied`.
        denied: the accounts that may not.
        qualities: the qualities of service that its jobs may have; None for all.
        job_memory_mb: the most memory a job may have on a node, in MB; None without a limit.
        cpu_memory_mb: the same per CPU.
        job_cpus: the most CPUs a job may have on a node; None without a limit.
    """

    name: str
    is_default: bool
    is_up: bool
    limit: str
    nodes: Sequence[Nodes]
    allowed: Sequence[str] | None = None
    denied: Sequence[str] = ()
    qualities: Sequence[str] | None = None
    job_memory_mb: int | None = None
    cpu_memory_mb: int | None = None
    job_cpus: int | None = None

    @property
    def gpus(self) -> dict[str, int]:
        """Its types of GPUs, with the most that one of its nodes has."""
        types = {gpu for nodes in self.nodes for gpu in nodes.gpus}
        return {gpu: max(nodes.gpus.get(gpu, 0) for nodes in self.nodes) for gpu in sorted(types)}

    def admits(self, account: str) -> bool:
        """Return whether jobs of an account may use it."""
        return account in self.allowed if self.allowed is not None else account not in self.denied


@dataclass(frozen=True)
class Limits:
    """What accounting allows a user's jobs.

    Attributes:
        words: all limits, for a reader; empty without any.
        time: the longest time of a job, as SLURM writes it; empty without a limit.
        at_once: how many jobs may run at once; None without a limit.
    """

    words: str
    time: str
    at_once: int | None


@dataclass(frozen=True)
class Account:
    """An account that this user's jobs may name.

    Attributes:
        name: its name.
        is_default: whether jobs that name none have it.
        partition: the only partition that it's for; empty for all.
        qualities: the qualities of service that its jobs may ask for.
        quality: the one that they have unless they ask; empty if that's left to the cluster.
        limits: its limits.
    """

    name: str
    is_default: bool
    partition: str
    qualities: Sequence[str]
    quality: str
    limits: Limits


@dataclass(frozen=True)
class Inventory:
    """What a cluster has.

    Attributes:
        cluster: its name.
        largest_array: how many tasks an array may have.
        partitions: its partitions.
        accounts: the user's accounts, the default one first; empty without accounting.
        qualities: the limits of the qualities of service that they may ask for.
        unaccounted: why accounting didn't say; empty if it did.
        cuda: the CUDA modules, the newest last; None without a `module` command.
    """

    cluster: str
    largest_array: int
    partitions: Sequence[Partition]
    accounts: Sequence[Account]
    qualities: Mapping[str, Limits]
    unaccounted: str
    cuda: Sequence[str] | None


def take() -> Inventory:
    """Ask the SLURM that this process's environment leads to, and the login shell for modules.

    Raises:
        WorkshopError: SLURM isn't installed here, or doesn't answer.
    """
    commands.ping()
    cluster = commands.cluster_name()
    accounts: list[Account] = []
    qualities: dict[str, Limits] = {}
    unaccounted = ""
    try:
        accounts = _accounts(cluster)
        qualities = _qualities({name for account in accounts for name in account.qualities})
    except WorkshopError as error:
        unaccounted = str(error)
    return Inventory(
        cluster,
        commands.largest_array(),
        _partitions(),
        accounts,
        qualities,
        unaccounted,
        _cuda_modules(),
    )


def _partitions() -> list[Partition]:
    """Return the partitions, in the order of the cluster's configuration."""
    printed = commands.run(["sinfo", "--exact", "--noheader", f"--format={_NODE_FORMAT}"])
    groups: dict[str, list[dict[str, str]]] = {}
    for line in filter(None, printed.splitlines()):
        group = dict(zip(_NODES, line.split("|"), strict=True))
        groups.setdefault(group["name"], []).append(group)
    rules = {
        rule["PartitionName"]: rule
        for rule in commands.records(["scontrol", "show", "partition", "--oneliner"])
    }
    return [
        _partition(name, alike, rules.get(name.rstrip("*"), {})) for name, alike in groups.items()
    ]


def _partition(
    name: str, alike: Sequence[Mapping[str, str]], rules: Mapping[str, str]
) -> Partition:
    return Partition(
        name=name.rstrip("*"),
        is_default=name.endswith("*"),
        is_up=alike[0]["state"] == "up",
        limit=alike[0]["limit"],
        nodes=[
            # A plus follows if nodes differ after all.
            Nodes(
                int(nodes["number"]),
                int(nodes["cpus"].rstrip("+")),
                int(nodes["memory_mb"].rstrip("+")),
                _gpus(nodes["resources"]),
            )
            for nodes in alike
            if nodes["number"] != "0"
        ],
        allowed=_names(rules.get("AllowAccounts", "ALL")),
        denied=_names(rules.get("DenyAccounts", "")) or (),
        qualities=_names(rules.get("AllowQos", "ALL")),
        job_memory_mb=_number(rules.get("MaxMemPerNode", "")),
        cpu_memory_mb=_number(rules.get("MaxMemPerCPU", "")),
        job_cpus=_number(rules.get("MaxCPUsPerNode", "")),
    )


def _gpus(resources: str) -> dict[str, int]:
    """Return the GPUs in generic resources, such as `gpu:a100:4(S:0-1),lscratch:1800`."""
    found: dict[str, int] = {}
    for kind, number in re.findall(r"(?:^|,)gpu(?::([^:,()]+))??:(\d+)(?=[(,]|$)", resources):
        found[kind] = found.get(kind, 0) + int(number)
    return found


def _accounts(cluster: str) -> list[Account]:
    """Return this user's accounts on a cluster, the default one first.

    Raises:
        WorkshopError: the cluster has no accounting, or it doesn't answer.
    """
    user = getpass.getuser()
    defaults = {row["DefaultAccount"] for row in _sacctmgr(("DefaultAccount",), "user", user)}
    found = [
        Account(
            name=row["Account"],
            is_default=row["Account"] in defaults,
            partition=row["Partition"],
            qualities=_names(row["QOS"]) or (),
            quality=row["DefaultQOS"],
            limits=_limits(row),
        )
        for row in _sacctmgr(_ASSOCIATION, "associations", f"user={user}", f"cluster={cluster}")
    ]
    return sorted(found, key=lambda account: not account.is_default)


def _qualities(names: set[str]) -> dict[str, Limits]:
    """Return the limits of qualities of service."""
    found = {row["Name"]: _limits(row) for row in _sacctmgr(_QUALITY, "qos")}
    return {name: limits for name, limits in found.items() if name in names}


def _sacctmgr(fields: Sequence[str], *words: str) -> list[dict[str, str]]:
    options = ["--noheader", "--parsable2", "show", *words, f"format={','.join(fields)}"]
    printed = commands.run(["sacctmgr", *options])
    return [
        dict(zip(fields, line.split("|"), strict=True))
        for line in filter(None, printed.split("\n"))
    ]


def _limits(row: Mapping[str, str]) -> Limits:
    words = (text.format(row[field]) for field, text in _LIMITS.items() if row.get(field))
    at_once = row.get("MaxJobs") or row.get("MaxJobsPU") or ""
    return Limits(", ".join(words), row["MaxWall"], _number(at_once))


def _names(listed: str) -> list[str] | None:
    """Return the names in a list of SLURM's; None for all."""
    return None if listed == "ALL" else [name for name in listed.split(",") if name]


def _number(limit: str) -> int | None:
    """Return a limit; None without one, for which SLURM has several words."""
    return int(limit) if limit.isdecimal() and int(limit) else None


def _cuda_modules() -> list[str] | None:
    """Return the CUDA modules, the newest last; None if a login shell has no `module` command."""
    try:
        done = subprocess.run(
            ["bash", "--login", "-c", _LIST_MODULES],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_MODULES_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = {match[1] for line in done.stdout.splitlines() if (match := _CUDA.fullmatch(line))}
    if not found and done.returncode:
        return None
    return sorted(found, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])
