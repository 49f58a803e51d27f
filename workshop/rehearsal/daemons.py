"""The processes of the rehearsal cluster: its daemons, and what runs in its jobs.

All have `SLURM_CONF`, daemons the name of theirs in `WORKSHOP_DAEMON`, and what runs on a node that
node's name in `SLURMD_NODENAME`.  A shell that merely speaks to the cluster has the first alone.
"""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.rehearsal import places, processes
from workshop.rehearsal.programs import Programs

NODES = {"node1": 2, "node2": 2}
"""How many CPUs each node passes for."""
MUNGED, CONTROLLER = "munged", "slurmctld"


def find(name: str) -> list[int]:
    """Return the processes of a daemon."""
    return processes.find(**_marks(WORKSHOP_DAEMON=name))


def on_node(node: str, *names: str) -> list[int]:
    """Return what runs on a node, slurmd and its jobs, and has some other variables as well."""
    return processes.find(*names, **_marks(SLURMD_NODENAME=node))


def launch(
    name: str, words: Sequence[str], programs: Programs, **variables: str
) -> subprocess.Popen[bytes]:
    """Start a daemon, whose output is in a log of its name."""
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


def launch_node(node: str, programs: Programs, *options: str) -> subprocess.Popen[bytes]:
    """Start a node's slurmd."""
    stepd = ["-d", str(programs.stepd)] if programs.stepd else []
    words = ["slurmd", "-D", "-N", node, *stepd, *options]
    return launch(node, words, programs, SLURMD_NODENAME=node)


def kill_node(node: str) -> None:
    """Kill all that runs on a node, what would report it first."""
    processes.kill(**_marks(WORKSHOP_DAEMON=node))
    # A title is written over its variables.
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
    """Wait until a condition holds.

    Args:
        condition: is asked again and again.
        what: what it means, as the end of `until`.
        limit_s: seconds to wait at most.
        alive: daemons that must not end meanwhile, by their names.

    Raises:
        WorkshopError: the time is over, or a daemon has ended; with its last words.
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
                f"the rehearsal cluster was not ready after {limit_s:.0f} s, since it still waits "
                f"until {what}: try again when this machine is less busy, or see the logs in "
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
