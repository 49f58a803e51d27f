"""Start, find and stop the rehearsal cluster: a real SLURM of two small nodes on this machine.

It belongs to this clone and to the user who starts it, root or not, and leaves an installed SLURM
alone: nothing but the variables of `places.variables` leads SLURM's commands to it.
"""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.rehearsal import daemons, files, places, processes, programs
from workshop.slurm import commands

START_LIMIT_S = 60  # two or three where nothing else computes
CANCEL_LIMIT_S = 15  # a job that is told to end has five (KillWait)
STOP_LIMIT_S = 10

# Where an installed SLURM is configured.
_INSTALLED = (Path("/etc/slurm/slurm.conf"), Path("/etc/slurm-llnl/slurm.conf"))


def running() -> bool:
    """Tell whether the cluster runs on this machine."""
    return bool(daemons.find(daemons.CONTROLLER))


def check_running() -> None:
    """See whether the cluster can be asked.

    Raises:
        WorkshopError: it does not run.
    """
    if not running():
        _check_machine()
        raise WorkshopError(
            "the rehearsal cluster does not run: start it with `workshop cluster start`"
        )


def start(show: Callable[[str], object] = print) -> bool:
    """Start the cluster unless it runs, and say so; return whether it had to be started.

    It goes on running after this process; `stop` ends it.  Jobs that waited when the machine went
    down wait again, and those that ran are queued once more.

    Raises:
        WorkshopError: SLURM's programs are missing, or the cluster does not come up.
    """
    found = programs.find()
    with _alone():
        if running():
            return False
        _check_machine()
        began = time.monotonic()
        daemons.kill_all()  # what an earlier one that was killed has left
        try:
            _start(found)
        except BaseException:
            _clear()
            raise
    show(
        f"The rehearsal cluster runs: {' and '.join(daemons.NODES)}, SLURM's programs {found}, "
        f"started in {time.monotonic() - began:.0f} s; `workshop cluster stop` ends it"
        f"{_beside_another()}"
    )
    return True


def stop(show: Callable[[str], object] = print) -> bool:
    """Cancel the cluster's jobs, stop the cluster, and say so; return whether it ran.

    Raises:
        WorkshopError: it runs on another machine.
    """
    with _alone():
        was_running = running()
        if not was_running:
            _check_machine()
        else:
            with suppress(WorkshopError):  # the controller hangs, or a program is gone
                _cancel_jobs(show)
                processes.send(signal.SIGTERM, daemons.find(daemons.CONTROLLER))
                daemons.wait(lambda: not running(), "the controller has ended", STOP_LIMIT_S)
        _clear()
    show("The rehearsal cluster is stopped" if was_running else "The rehearsal cluster did not run")
    return was_running


def command(*words: str) -> str:
    """Run one of SLURM's commands on the cluster and return what it printed.

    Raises:
        WorkshopError: the cluster does not run, or the command fails.
    """
    check_running()
    return commands.run(words, places.environment())


def status() -> str:
    """Return what the cluster's nodes and jobs do, a line each.

    Raises:
        WorkshopError: the cluster does not run.
    """
    nodes = command("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T")
    jobs = command("squeue", "--noheader", "--array", "--format=%T").split()
    lines = [f"{name}: {state}" for name, state in map(str.split, nodes.splitlines())]
    waiting = jobs.count("PENDING")
    lines.append(f"jobs: {len(jobs) - waiting} running, {waiting} waiting")
    lines.append(f"its programs are {programs.find()}; `workshop cluster shell` has its commands")
    return "\n".join(lines)


def node_facts(node: str) -> dict[str, str]:
    """Return what the controller knows of a node, by the names of `scontrol show node`."""
    words = command("scontrol", "show", "node", "--oneliner", node).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def is_up(node: str, since: int = 0) -> bool:
    """Tell whether a node takes jobs, and its slurmd has started after a time in seconds."""
    with suppress(WorkshopError, ValueError, KeyError):  # it, or the controller, is only starting
        facts = node_facts(node)
        started = time.strptime(facts["SlurmdStartTime"], "%Y-%m-%dT%H:%M:%S")
        flags = set(facts["State"].split("+"))  # a node that does not answer is `IDLE*`
        is_well = flags & {"IDLE", "MIXED", "ALLOCATED"} and not flags & {"DRAIN", "NOT_RESPONDING"}
        return bool(is_well) and time.mktime(started) >= since
    return False


def _start(found: programs.Programs) -> None:
    runtime = places.make_runtime_folder()
    files.write(found, runtime)
    key = places.folder() / "munge.key"
    # --force: munged would refuse a socket below a folder that others may write to.
    options = [f"--{kind}-file={runtime}/munge.{kind}" for kind in ("log", "pid", "seed")]
    words = [
        "munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}",
        f"--socket={runtime}/munge.socket", *options,
    ]  # fmt: skip
    alive = {daemons.MUNGED: daemons.launch(daemons.MUNGED, words, found)}
    daemons.wait((runtime / "munge.socket").exists, "it made its socket", START_LIMIT_S, alive)
    launched = int(time.time())
    alive[daemons.CONTROLLER] = daemons.launch(daemons.CONTROLLER, ["slurmctld", "-D"], found)
    for node in daemons.NODES:
        alive[node] = daemons.launch_node(node, found, "-b")
    daemons.wait(
        lambda: all(is_up(node, launched) for node in daemons.NODES),
        "its nodes are up",
        START_LIMIT_S,
        alive,
    )


def _cancel_jobs(show: Callable[[str], object]) -> None:
    jobs = command("squeue", "--noheader", "--array", "--format=%T").split()
    if not jobs:
        return
    waiting = jobs.count("PENDING")
    show(
        f"{len(jobs) - waiting} running and {waiting} waiting jobs are cancelled; "
        "`workshop repair` runs what is missing of a sweep"
    )
    command("scancel", f"--user={files.user()}")
    daemons.wait(lambda: not command("squeue", "--noheader"), "its jobs have ended", CANCEL_LIMIT_S)


def _check_machine() -> None:
    """See whether this folder's cluster runs on another machine, which sees the same disk.

    Raises:
        WorkshopError: it does.
    """
    note = places.machine_file()
    host, _, machine = note.read_text().strip().partition(" ") if note.exists() else ("", "", "")
    if host and machine != files.machine():
        raise WorkshopError(
            f"the rehearsal cluster of {shown(places.folder())} runs on {host}: use it "
            f"or stop it there, set WORKSHOP_HOME to another folder, or delete {shown(note)} if "
            "that machine was restarted"
        )


def _clear() -> None:
    """Leave no process, and nothing in the folder of sockets and spools."""
    daemons.kill_all()
    places.machine_file().unlink(missing_ok=True)
    shutil.rmtree(places.runtime_folder(), ignore_errors=True)


def _beside_another() -> str:
    """Return which SLURM is used when, if this machine has another one."""
    own = os.environ.get("SLURM_CONF", "")
    others = [*filter(Path.is_file, _INSTALLED)]
    if own and own != str(places.configuration_file()):
        others.insert(0, Path(own))
    if not others:
        return ""
    return (
        f"; the SLURM of {shown(others[0])} stays as it is, and answers all commands but those for "
        "the site `rehearsal` and those in `workshop cluster shell`"
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Let no two processes start or stop the cluster at the same time."""
    places.folder().mkdir(parents=True, exist_ok=True)
    with (places.folder() / "lock").open("a") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
