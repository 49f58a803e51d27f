"""A real SLURM cluster of one node, started for the tests alone."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
STARTUP_SECONDS = 60

# Debian keeps the daemons in /usr/sbin, which is not on every user's PATH.
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

SLURM_CONF = """\
ClusterName=workshop
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}

# The daemons run as the user who runs the tests: root, since slurmd starts jobs as their owners.
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket

# Nothing outside this folder is written, so that an installed cluster stays as it is.
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log

# Plugins that need no control groups, no accounting daemon and no MPI.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none

# CPUs alone are rationed: tasks of one CPU each run side by side, up to the real number.  The
# node passes for one with plenty of memory, so that no job is too large for a small machine.
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5

NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=65536 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=01:00:00 State=UP
"""


def missing() -> str | None:
    """Return why this machine cannot run the cluster, or None if it can."""
    absent = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian's slurm-wlm and munge have them)"
    if os.geteuid() != 0:
        return "slurmd and munged must be started by root"
    return None


class Cluster:
    """munged, slurmctld and slurmd on free loopback ports, with their files in one folder.

    Use it as a context manager: it is ready on entry and has left no process on exit.  Programs
    that get `environment` speak to it; an installed cluster is neither used nor disturbed.

    Attributes:
        folder: configuration, key, state and logs of the daemons.
        environment: `SLURM_CONF` and `PATH` for everything that calls SLURM's commands.
    """

    def __init__(self):
        # Not pytest's folder: a Unix socket's path holds 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": PATH}
        self._daemons: list[subprocess.Popen] = []

    def __enter__(self) -> "Cluster":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.command("scancel", "--state=PENDING")
            self.command("scancel", "--state=RUNNING", "--signal=KILL", "--full")
        for daemon in reversed(self._daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=10)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for daemon in self._daemons:
            daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *words: str) -> str:
        """Run one of SLURM's commands on this cluster and return what it printed."""
        done = subprocess.run(
            words, env=os.environ | self.environment, capture_output=True, text=True, timeout=30
        )
        return done.stdout + done.stderr

    def _start(self) -> None:
        if reason := missing():
            raise RuntimeError(f"no SLURM cluster: {reason}")
        folder = self.folder
        controller_port, node_port = _free_ports(2)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(
            SLURM_CONF.format(
                folder=folder,
                host=socket.gethostname().split(".")[0],
                controller_port=controller_port,
                node_port=node_port,
                cpus=len(os.sched_getaffinity(0)),
            )
        )
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        self._daemon(
            # --force: munged would refuse a socket below a folder that others may write to.
            "munged --foreground --force --num-threads=2",
            *(f"--{file}-file={folder}/munge.{file}" for file in ("key", "log", "pid", "seed")),
            f"--socket={folder}/munge.socket",
        )
        self._until((folder / "munge.socket").exists, "munged made its socket")
        self._daemon("slurmctld -D")
        self._daemon("slurmd -D")
        self._until(lambda: self.command("sinfo", "-h", "-o", "%T") == "idle\n", "the node is idle")

    def _daemon(self, command: str, *arguments: str) -> None:
        words = [*command.split(), *arguments]
        with (self.folder / f"{words[0]}.out").open("wb") as output:
            self._daemons.append(
                subprocess.Popen(
                    # Even if the tests are killed, their cluster ends with them.
                    ["setpriv", "--pdeathsig", "TERM", *words],
                    env=os.environ | self.environment,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + STARTUP_SECONDS
        while not condition():
            dead = [daemon.args[3] for daemon in self._daemons if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = "".join(
                    f"\n== {path.name}\n{path.read_text(errors='replace')[-2000:]}"
                    for path in sorted(self.folder.iterdir())
                    if path.suffix in {".log", ".out"}
                )
                raise RuntimeError(f"waited for: {what}; ended: {dead}{logs}")
            time.sleep(0.1)

    def processes(self) -> list[int]:
        """Return the processes that belong to the cluster, its jobs included.

        Jobs are in no process group of ours, but all have inherited the cluster's SLURM_CONF.
        """
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        found = []
        for file in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # it has ended in the meantime
                if mark in file.read_bytes().split(b"\0"):
                    found.append(int(file.parent.name))
        return [pid for pid in found if pid != os.getpid()]


def _free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on; all are held until the last is found."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
