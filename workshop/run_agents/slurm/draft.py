"""Draft a site profile from what a cluster's SLURM says.

The draft is `configs/sites/example.yaml` with this cluster's values, and with what was found as
comments.  A key that SLURM can't tell, or that a cluster may not need, is commented out.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from sweepserver.search.values import closest
from workshop import files
from workshop.durations import clock
from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.run_agents.slurm import inventory
from workshop.run_agents.slurm.inventory import Account, Inventory, Nodes, Partition
from workshop.run_agents.slurm.site import FOLDER, Site, load
from workshop.run_agents.slurm.submission import minutes
from workshop.wording import count, listed

EXAMPLE = "example"
# The column of the comments in the example.
_COLUMN = 24
_WIDTH = 96
_MB = {"M": 1, "G": 1024}


def write(name: str, partition: str = "") -> Path:
    """Ask this process's SLURM what it has, and write a site profile from that.

    Args:
        name: the profile's name.
        partition: the partition for tasks; by default one with GPUs if the user's jobs may use
            one, otherwise the cluster's default partition.

    Returns:
        The new file, `configs/sites/NAME.yaml`.

    Raises:
        WorkshopError: the name isn't that of a file, or is taken; SLURM isn't installed here or
            doesn't answer; it has no such partition; or the file can't be written.
    """
    if not re.fullmatch(r"\w[\w-]*", name, re.ASCII):
        raise WorkshopError(
            f"{name!r} can't be the name of a site profile: use letters, digits, - and _, such as "
            "my-cluster"
        )
    file = FOLDER / f"{name}.yaml"
    taken = f"{shown(file)} is there already, and is kept: choose another name, or remove the file"
    if file.exists():
        raise WorkshopError(taken)
    found = inventory.take()
    draft = text(name, found, _chosen(found, partition))
    with files.writing(file, "make the profile in a copy of the kit that is yours"):
        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(draft)
        except FileExistsError:
            raise WorkshopError(taken) from None
    return file


def text(name: str, found: Inventory, partition: Partition | None) -> str:
    """Return the text of a profile.

    Args:
        name: the profile's name.
        found: what the cluster has.
        partition: the partition for tasks; None if no partition takes the user's jobs.
    """
    values = _values(found, partition, load(EXAMPLE))
    notes = dict(_notes(found, partition))
    _, _, example = (FOLDER / f"{EXAMPLE}.yaml").read_text(encoding="utf-8").partition("\n\n")
    lines = [
        f"# The profile of the cluster {found.cluster}, drafted on {date.today()} from what SLURM",
        f"# said (`workshop site new {name}`).  Read it: a key that is commented out is one that",
        "# SLURM can't tell, or that the cluster may not need.  example.yaml explains every key.",
        "",
    ]
    is_kept = True
    for line in example.splitlines():
        if key := re.match(r"(\w+):", line):
            is_kept = key[1] in values
            lines += [f"# {part}" for note in notes.get(key[1], ()) for part in _wrapped(note)]
            line = _with_value(line, values[key[1]]) if is_kept else line
        if not is_kept and line and not line.startswith("#"):
            # Its comment stays in its column, if there is room.
            line = "# " + re.sub("  ( +#)", r"\1", line, count=1)
        lines.append(line)
    return "\n".join([*lines, ""])


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(note, _WIDTH, subsequent_indent="      ", break_long_words=False)


def _with_value(line: str, value: Any) -> str:
    """Return a line of the example with another value, and its comment where it was."""
    key, _, rest = line.partition(":")
    if rest.lstrip().startswith('"'):
        scalar = f'"{value}"'
    else:
        scalar = yaml.safe_dump([value]).removeprefix("- ").strip()
    before = f"{key}: {scalar}  "
    return f"{before:{_COLUMN}}#{rest.partition('#')[2]}"


def _chosen(found: Inventory, name: str) -> Partition | None:
    """Return the partition of a name, or the most suitable one."""
    if name:
        named = {partition.name: partition for partition in found.partitions}
        if name not in named:
            raise WorkshopError(
                f"this cluster has no partition {name!r}{closest(name, named)}: use one of "
                f"{', '.join(named)}"
            )
        return named[name]

    def suitability(partition: Partition) -> tuple[bool, bool, int]:
        # More nodes mean less waiting.
        number = sum(nodes.number for nodes in _suitable(partition))
        return bool(partition.gpus), partition.is_default, number

    open_ones = [
        partition
        for partition in found.partitions
        if partition.is_up
        and partition.nodes
        and (not found.accounts or _account(found, partition))
    ]
    return max(open_ones, key=suitability, default=None)


def _suitable(partition: Partition) -> Sequence[Nodes]:
    """Return a partition's nodes with GPUs; all if none has any."""
    return [nodes for nodes in partition.nodes if nodes.gpus] or partition.nodes


def _account(found: Inventory, partition: Partition) -> Account | None:
    """Return the user's first account that may use a partition."""
    usable = (
        account
        for account in found.accounts
        if partition.admits(account.name) and account.partition in ("", partition.name)
    )
    return next(usable, None)


def _values(found: Inventory, partition: Partition | None, example: Site) -> dict[str, Any]:
    """Return the profile's values: the example's, or less where the cluster allows less."""
    if not partition:
        return {}
    values: dict[str, Any] = {"partition": partition.name}
    limits = []
    if account := _account(found, partition):
        quality = _quality(account, partition)
        values["account"] = account.name
        if quality != account.quality:
            values["qos"] = quality
        limits = [account.limits, *filter(None, [found.qualities.get(quality)])]
    values["time"] = _shortest(example.time, partition.limit, *(limit.time for limit in limits))
    cpus = [example.cpus, partition.job_cpus, *_shares(partition, "cpus")]
    values["cpus"] = min(filter(None, cpus))
    per_cpu = partition.cpu_memory_mb and partition.cpu_memory_mb * values["cpus"]
    memory = [_mb(example.memory), partition.job_memory_mb, per_cpu]
    values["memory"] = _written(min(filter(None, [*memory, *_shares(partition, "memory_mb")])))
    if partition.gpus:
        values["gpus"] = example.gpus
    at_once = [example.at_once, *(limit.at_once for limit in limits)]
    values["at_once"] = min(filter(None, at_once))
    return values


def _quality(account: Account, partition: Partition) -> str:
    """Return the quality of service for an account's jobs in a partition."""
    if partition.qualities is None or account.quality in partition.qualities:
        return account.quality
    both = [name for name in account.qualities if name in partition.qualities]
    return both[0] if both else account.quality


def _shares(partition: Partition, resource: str) -> Iterator[int]:
    """Yield how much of its node's CPUs or memory a task may take and leave as much per GPU."""
    for nodes in _suitable(partition):
        yield max(1, getattr(nodes, resource) // max(1, sum(nodes.gpus.values())))


def _shortest(*times: str | None) -> str:
    """Return the shortest of some times, those without a limit left out."""
    return clock(60 * min(filter(None, (minutes(time or "") for time in times))))


def _mb(memory: str | None) -> int | None:
    """Return a profile's amount of memory in MB."""
    return int(memory[:-1]) * _MB[memory[-1]] if memory else None


def _written(memory_mb: int) -> str:
    """Return an amount of memory as a profile writes it."""
    return f"{memory_mb // 1024}G" if memory_mb >= 1024 else f"{memory_mb}M"


def _notes(found: Inventory, partition: Partition | None) -> Iterator[tuple[str, list[str]]]:
    """Yield what was found, as lines of comments above the key that it is about."""
    names = {one.name: f"{one.name}{'*' * one.is_default}" for one in found.partitions}
    width = max(map(len, names.values()), default=0)
    yield (
        "partition",
        [
            "Partitions (* is the default):",
            *(f"  {names[one.name]:{width}}  {_described(one)}" for one in found.partitions),
        ],
    )
    yield "account", list(_account_notes(found))
    if found.accounts:
        yield (
            "qos",
            [
                "Qualities of service that your accounts may ask for:",
                *(f"  {_with_limits(name, limits)}" for name, limits in found.qualities.items()),
            ],
        )
    if partition:
        types = [
            f"{kind or 'without a type'} ({most} a node)" for kind, most in partition.gpus.items()
        ]
        yield (
            "gpus",
            [
                f"GPUs of partition {partition.name}: {listed(types)}"
                if types
                else f"Partition {partition.name} has no GPUs that SLURM knows of."
            ],
        )
    yield "modules", [_module_note(found.cuda)]
    yield "at_once", [f"An array may have {count(found.largest_array, 'task')} (MaxArraySize)."]


def _described(partition: Partition) -> str:
    """Return a partition in words."""
    if not partition.is_up:
        return "is not up"
    limit = minutes(partition.limit)
    parts = [
        f"up to {clock(60 * limit)}" if limit else "no time limit",
        *map(_nodes, partition.nodes),
    ]
    if partition.allowed is not None:
        parts.append(f"accounts: {', '.join(partition.allowed)}")
    if partition.denied:
        parts.append(f"not for accounts: {', '.join(partition.denied)}")
    if partition.qualities is not None:
        parts.append(f"qos: {', '.join(partition.qualities)}")
    return "; ".join(parts)


def _nodes(nodes: Nodes) -> str:
    gpus = (
        count(number, "GPU") + (f" ({kind})" if kind else "") for kind, number in nodes.gpus.items()
    )
    size = f"{count(nodes.number, 'node')} of {count(nodes.cpus, 'CPU')}"
    return ", ".join([size, _written(nodes.memory_mb), *gpus])


def _account_notes(found: Inventory) -> Iterator[str]:
    if found.unaccounted:
        yield (
            "Accounting didn't say which accounts and qualities of service are yours "
            f"({found.unaccounted}).  If jobs need them, ask the cluster's staff."
        )
    elif not found.accounts:
        yield "Accounting knows no account of yours.  If jobs need one, ask the cluster's staff."
    else:
        yield "Your accounts (* is the default, used if you leave this key out):"
        for account in found.accounts:
            name = f"{account.name}{'*' * account.is_default}"
            where = f" (partition {account.partition})" if account.partition else ""
            yield f"  {_with_limits(name + where, account.limits)}"


def _with_limits(name: str, limits: inventory.Limits) -> str:
    return f"{name}: {limits.words}" if limits.words else name


def _module_note(cuda: Sequence[str] | None) -> str:
    packages = "The kit's own PyTorch needs no CUDA module."
    if cuda is None:
        return f"{packages}  A login shell has no `module` command here."
    return f"{packages}  CUDA modules here: {', '.join(cuda) or 'none'}"
