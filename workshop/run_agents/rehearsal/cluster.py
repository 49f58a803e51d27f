"""Start, find and stop the rehearsal cluster: a real SLURM with two small nodes on this machine.

It belongs to this clone and to the user who starts it, root or not.  It doesn't touch an installed
SLURM: only the variables of `places.variables` lead SLURM's commands to it.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.files import lock
from workshop.paths import home, shown
from workshop.run_agents.rehearsal import daemons, files, places, processes, programs
from workshop.run_agents.slurm import commands
from workshop.shared_use import stopped_by_the_last
from workshop.wording import count

START_LIMIT_S = 60  # two or three on an idle machine
CANCEL_LIMIT_S = 15  # a job that is cancelled has five to end (KillWait)
STOP_LIMIT_S = 10

# The configuration files of an installed SLURM.
_INSTALLED = (Path("/etc/slurm/slurm.conf"), Path("/etc/slurm-llnl/slurm.conf"))


def running() -> bool:
    """Return whether the cluster is running on this machine."""
    return bool(daemons.find(daemons.CONTROLLER))


def check_running() -> None:
    """Check that the cluster is running.

    Raises:
        WorkshopError: it isn't.
    """
    if not running():
        _check_machine()
        raise WorkshopError(
            "the rehearsal cluster is not running: start it with `workshop cluster start`"
        )


def check_startable() -> bool:
    """Check that the cluster is running or could be started; return whether it is running.

    Raises:
        WorkshopError: SLURM's programs are missing, or it is running on another machine.
    """
    if running():
        return True
    programs.find()
    _check_machine()
    return False


def session() -> AbstractContextManager[None]:
    """Stop the cluster at the end of the block, if this process is its last user."""

    def identity() -> str:
        return " ".join(map(str, daemons.find(daemons.CONTROLLER)))

    return stopped_by_the_last(home() / "cluster.users", identity, lambda: stop(lambda line: None))


def start(show: Callable[[str], object] = print) -> bool:
    """Start the cluster unless it is running; return whether it had to be started.

    It keeps running after this process; `stop` ends it.  After a reboot of the machine, jobs that
    were waiting are waiting again, and jobs that were running are requeued.

    Raises:
        WorkshopError: SLURM's programs are missing, or the cluster does not come up.
    """
    found = programs.find()
    with _alone(show):
        if running():
            return False
        _check_machine()
        began = time.monotonic()
        daemons.kill_all()  # leftovers of an earlier cluster that was killed
        try:
            _start(found)
        except BaseException:
            _clear()
            raise
    show(
        f"The rehearsal cluster is running: {' and '.join(daemons.NODES)}, SLURM's programs "
        f"{found}, started in {time.monotonic() - began:.0f} s; to stop it: workshop cluster stop"
        f"{_beside_another()}"
    )
    return True


def stop(show: Callable[[str], object] = print) -> bool:
    """Cancel the cluster's jobs and stop the cluster; return whether it was running.

    Raises:
        WorkshopError: it is running on another machine.
    """
    with _alone(show):
        was_running = running()
        if not was_running:
            _check_machine()
        else:
            with suppress(WorkshopError):  # the controller hangs, or a program is missing
                _cancel_jobs(show)
                processes.send(signal.SIGTERM, daemons.find(daemons.CONTROLLER))
                daemons.wait(lambda: not running(), "the controller has ended", STOP_LIMIT_S)
        _clear()
    show(f"The rehearsal cluster {'has stopped' if was_running else 'was not running'}")
    return was_running


def command(*words: str) -> str:
    """Run one of SLURM's commands on the cluster and return its output.

    Raises:
        WorkshopError: the cluster is not running, or the command fails.
    """
    check_running()
    return commands.run(words, places.environment())


def status() -> str:
    """Return the state of the cluster's nodes and jobs, a line each.

    Raises:
        WorkshopError: the cluster is not running.
    """
    nodes = command("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T")
    lines = [f"{name}: {state}" for name, state in map(str.split, nodes.splitlines())]
    running_jobs, waiting = _jobs()
    lines.append(f"jobs: {running_jobs} running, {waiting} waiting")
    lines.append(f"SLURM's programs are {programs.find()}; use them in `workshop cluster shell`")
    return "\n".join(lines)


def node_facts(node: str) -> dict[str, str]:
    """Return the controller's facts about a node, by the names of `scontrol show node`."""
    words = command("scontrol", "show", "node", "--oneliner", node).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def is_up(node: str, since: int = 0) -> bool:
    """Return whether a node accepts jobs, and its slurmd was started after a time in seconds."""
    with suppress(WorkshopError, ValueError, KeyError):  # it, or the controller, is still starting
        facts = node_facts(node)
        started = time.strptime(facts["SlurmdStartTime"], "%Y-%m-%dT%H:%M:%S")
        flags = set(facts["State"].split("+"))  # a node that does not answer is `IDLE*`
        is_well = flags & {"IDLE", "MIXED", "ALLOCATED"} and not flags & {"DRAIN", "NOT_RESPONDING"}
        return bool(is_well) and time.mktime(started) >= since
    return False


def _start(found: programs.Programs) -> None:
    runtime = places.make_runtime_folder()
    files.write(found, runtime)
    words = daemons.munged(places.folder() / "munge.key", runtime)
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


def _jobs() -> tuple[int, int]:
    """Return how many jobs are running, and how many are waiting."""
    states = command("squeue", "--noheader", "--array", "--format=%T").split()
    waiting = states.count("PENDING")
    return len(states) - waiting, waiting


def _cancel_jobs(show: Callable[[str], object]) -> None:
    running_jobs, waiting = _jobs()
    if not running_jobs + waiting:
        return
    show(
        f"cancelled: {count(running_jobs, 'running job')} and {count(waiting, 'waiting job')}; "
        "to complete a sweep later: workshop repair"
    )
    command("scancel", f"--user={files.user()}")
    daemons.wait(lambda: not command("squeue", "--noheader"), "its jobs have ended", CANCEL_LIMIT_S)


def _check_machine() -> None:
    """Check that this folder's cluster isn't running on another machine with the same disk.

    Raises:
        WorkshopError: it is.
    """
    note = places.machine_file()
    host, _, machine = note.read_text().strip().partition(" ") if note.exists() else ("", "", "")
    if host and machine != files.machine():
        raise WorkshopError(
            f"the rehearsal cluster of {shown(places.folder())} is running on {host}: use it or "
            f"stop it there, set WORKSHOP_HOME to another folder, or, if that machine was "
            f"restarted, delete {shown(note)}"
        )


def _clear() -> None:
    """Kill all processes, and delete the folder of sockets and spools."""
    daemons.kill_all()
    places.machine_file().unlink(missing_ok=True)
    shutil.rmtree(places.runtime_folder(), ignore_errors=True)


def _beside_another() -> str:
    """Return a note on which SLURM is used when, if this machine has another one."""
    own = os.environ.get("SLURM_CONF", "")
    others = [*filter(Path.is_file, _INSTALLED)]
    if own and own != str(places.configuration_file()):
        others.insert(0, Path(own))
    if not others:
        return ""
    return (
        f"; the SLURM of {shown(others[0])} is unchanged: only commands for the site `rehearsal` "
        "and in `workshop cluster shell` use this one"
    )


@contextmanager
def _alone(show: Callable[[str], object]) -> Iterator[None]:
    """Hold the lock that lets only one process start or stop the cluster at a time."""
    places.folder().mkdir(parents=True, exist_ok=True)
    wait = "another process is starting or stopping the rehearsal cluster: waiting for it"
    with lock(places.folder() / "lock", on_wait=lambda: show(wait)):
        yield
