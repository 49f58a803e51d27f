"""The processes of the rehearsal cluster: its daemons, and the processes of its jobs.

Environment variables tell them apart.  All have `SLURM_CONF`.  A daemon has its name in
`WORKSHOP_DAEMON`, and a process on a node has the node's name in `SLURMD_NODENAME`.  A shell that
only uses the cluster has just `SLURM_CONF`.
"""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.run_agents.rehearsal import places, processes
from workshop.run_agents.rehearsal.programs import Programs

NODES = {"node1": 2, "node2": 2}
"""How many CPUs each node claims to have."""
MUNGED, CONTROLLER = "munged", "slurmctld"


def find(name: str) -> list[int]:
    """Return the processes of a daemon."""
    return processes.find(**_marks(WORKSHOP_DAEMON=name))


def on_node(node: str, *names: str) -> list[int]:
    """Return the processes on a node, slurmd and jobs, that also have certain other variables."""
    return processes.find(*names, **_marks(SLURMD_NODENAME=node))


def launch(
    name: str, words: Sequence[str], programs: Programs, **variables: str
) -> subprocess.Popen[bytes]:
    """Start a daemon, with its output in a log of its name."""
    marks = _marks(WORKSHOP_DAEMON=name, **variables)
    with _log(name).open("wb") as output:
        return subprocess.Popen(
            words,
            env=places.environment(programs) | marks,
            cwd=places.folder(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def munged(key: Path, runtime: Path) -> list[str]:
    """Return the command that starts munged, with its socket `munge.socket` in a folder."""
    options = [f"--{kind}-file={runtime}/munge.{kind}" for kind in ("log", "pid", "seed")]
    # --force: munged would refuse a socket under a folder that others may write to.
    return [
        "munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}",
        f"--socket={runtime}/munge.socket", *options,
    ]  # fmt: skip


def launch_node(node: str, programs: Programs, *options: str) -> subprocess.Popen[bytes]:
    """Start a node's slurmd."""
    stepd = ["-d", str(programs.stepd)] if programs.stepd else []
    words = ["slurmd", "-D", "-N", node, *stepd, *options]
    return launch(node, words, programs, SLURMD_NODENAME=node)


def kill_node(node: str) -> None:
    """Kill everything on a node, starting with the daemon that would report it."""
    processes.kill(**_marks(WORKSHOP_DAEMON=node))
    # slurmstepd overwrites its variables with a title.
    processes.kill_writers("slurmstepd", places.folder() / f"{node}.log")
    processes.kill(**_marks(SLURMD_NODENAME=node))


def kill_all() -> None:
    """Kill every process of the cluster's, jobs included."""
    for node in NODES:
        kill_node(node)
    processes.kill("WORKSHOP_DAEMON", **_marks())


def wait(
    condition: Callable[[], object],
    what: str,
    limit_s: float,
    alive: Mapping[str, subprocess.Popen[bytes]] = MappingProxyType({}),
) -> None:
    """Poll until a condition holds.

    Args:
        condition: the condition.
        what: what it means, as the end of `until ...`.
        limit_s: timeout in seconds.
        alive: daemons, by name, that must not end while waiting.

    Raises:
        WorkshopError: the timeout has passed, or a daemon has ended; with the end of its log.
    """
    deadline = time.monotonic() + limit_s
    while not condition():
        for name, process in alive.items():
            if process.poll() is not None:
                raise WorkshopError(
                    f"the rehearsal cluster's {name} ended before {what}: {_last_words(name)} "
                    f"(see {shown(_log(name))})"
                )
        if time.monotonic() > deadline:
            raise WorkshopError(
                f"the rehearsal cluster was not ready after {limit_s:.0f} s, still waiting until "
                f"{what}: try again when this machine is less busy, or see the logs in "
                f"{shown(places.folder())}"
            )
        time.sleep(0.05)


def _marks(**variables: str) -> dict[str, str]:
    return {"SLURM_CONF": str(places.configuration_file())} | variables


def _log(name: str) -> Path:
    return places.folder() / f"{name}.out"


def _last_words(name: str) -> str:
    lines = _log(name).read_text(errors="replace").strip().splitlines()
    fatal = [line for line in lines if "fatal" in line]
    return (fatal or lines or ["it said nothing"])[-1]
