"""Write the files that the rehearsal cluster's daemons, jobs and shells read."""

import os
import pwd
import re
import secrets
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from workshop import files
from workshop.errors import WorkshopError
from workshop.run_agents.rehearsal import daemons, places
from workshop.run_agents.rehearsal.configuration import Configuration, cgroup_conf
from workshop.run_agents.rehearsal.programs import Programs
from workshop.run_agents.slurm import commands, journal

# Below the range of ephemeral ports, so that none is taken while a node is down.
_PORTS = range(20_000, 30_000)


def write(found: Programs, runtime: Path) -> None:
    """Make the folders, and write the key, the configuration and the file for shells.

    Raises:
        WorkshopError: the user has no name, or no ports are free.
    """
    folder = places.folder()
    for made in (folder / "state", *(runtime / f"{node}.spool" for node in daemons.NODES)):
        made.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # it contains the scripts and variables of jobs
    key = folder / "munge.key"
    if not key.exists():
        files.write(key, secrets.token_bytes(128), mode=0o600)
    first, *ports = free_ports(1 + len(daemons.NODES))
    host = socket.gethostname().split(".")[0]
    address = loopback_address(host)
    configuration = Configuration(
        folder=folder,
        runtime=runtime,
        host=host,
        address=address or "127.0.0.1",
        is_closed=bool(address),
        user=user(),
        controller_port=first,
        nodes={
            node: (port, cpus)
            for (node, cpus), port in zip(daemons.NODES.items(), ports, strict=True)
        },
        plugins=found.plugins,
        first_job=_first_job(),
    )
    places.configuration_file().write_text(str(configuration))
    places.configuration_file().with_name("cgroup.conf").write_text(cgroup_conf(version(found)))
    places.write_shell_file(found)
    places.machine_file().write_text(f"{host} {machine()}\n")


def user() -> str:
    """Return the name of the user of this process.

    Raises:
        WorkshopError: there is none.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise WorkshopError(
            f"user {os.geteuid()} has no name on this machine, and SLURM starts no jobs without "
            "one: add it to /etc/passwd (a container's --user needs it), or use another user"
        ) from None


def version(found: Programs) -> tuple[int, ...]:
    """Return the version of SLURM: 22, 5, 8."""
    printed = commands.run(["slurmctld", "-V"], places.environment(found))
    return tuple(map(int, re.findall(r"\d+", printed)))


def machine() -> str:
    """Return an ID of this machine, which unlike its name doesn't change."""
    with suppress(OSError):
        return Path("/etc/machine-id").read_text().strip()
    return socket.gethostname()


def loopback_address(host: str) -> str:
    """Return the loopback address that this machine's name resolves to; empty if it doesn't.

    On Debian and Ubuntu it is 127.0.1.1.
    """
    with suppress(OSError):
        address = socket.gethostbyname(host)
        if ip_address(address).is_loopback:
            return address
    return ""


def _first_job() -> int:
    """Return a job number above those in the log folder."""
    numbers = [int(place.name) for place in journal.logs().glob("*") if place.name.isdecimal()]
    return max(numbers, default=0) + 1


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens; each clone and user starts the search elsewhere.

    Raises:
        WorkshopError: there aren't enough.
    """
    begin = int.from_bytes(places.runtime_folder().name.encode(), "big") % len(_PORTS)
    found: list[int] = []
    for port in (*_PORTS[begin:], *_PORTS[:begin]):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            found.append(port)
        if len(found) == count:
            return found
    raise WorkshopError(
        f"the rehearsal cluster needs {count} free ports from {_PORTS[0]} to {_PORTS[-1]}, found "
        f"{len(found)}: end programs that listen there"
    )
