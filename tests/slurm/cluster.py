"""A real SLURM cluster with accounting, started for the tests alone.

Its daemons run as the user who runs the tests, root or not.  Only as root can they use cgroups and
start jobs of other users.

For experiments, in a Python shell at the clone's folder:

    from tests.slurm.cluster import Cluster
    with Cluster() as cluster:
        print(cluster.command("sbatch", "--wait", "--output=log", "--wrap", "hostname"))
        print(cluster.sacct("1", "JobID", "State", "ExitCode"))

It has the nodes `node1` and `node2`, the partitions `main`, `low` (a job of `main` drives its jobs
out) and `short` (a minute at most), the accounts `workshop` (the default) and `closed` (refused),
and the module `workshop-test/1.0`.

How a batch job ends, as `sacct` and `scontrol show job` tell (each is a test in test_cluster.py):

    what happens                   sacct: State, ExitCode   scontrol: JobState, ExitCode, Reason
    its script ends by 0           COMPLETED       0:0      COMPLETED      0:0    None
    its script ends by 3           FAILED          3:0      FAILED         3:0    NonZeroExitCode
    too much memory, by cgroup     OUT_OF_MEMORY   0:125    OUT_OF_MEMORY  0:125  OutOfMemory
    too much memory, by polling    FAILED          0:9      FAILED         0:9    JobLaunchFailure
    its time limit                 TIMEOUT         0:0      TIMEOUT        0:15   TimeLimit
    scancel, also --signal=KILL    CANCELLED by 0  0:0      CANCELLED      0:15   None
    scancel --batch --signal=KILL  FAILED          0:9      FAILED         0:9    JobLaunchFailure
    its node goes, --no-requeue    NODE_FAIL       0:0      NODE_FAIL      0:0    NodeDown
    its node goes, --requeue       NODE_FAIL       0:0      PENDING        0:0    BeginTime
    a job of `main` drives it out  PREEMPTED       0:0      PENDING        0:0    BeginTime
    scontrol requeue               REQUEUED        0:0      PENDING        0:0    BeginTime

After the last three the job starts again: with `sacct --duplicates` it has a second record, and
scontrol knows the second alone, with Restarts=1.  `by 0` names the user who cancelled, here root.
A job that is asked to leave and ends by itself within GraceTime is COMPLETED (or FAILED), not
PREEMPTED, and does not start again, unless it has called `scontrol requeue` for itself: then it is
REQUEUED.

Its log ends by a line that starts with `slurmstepd` (here `slurmstepd-node1`) and says more:

    too much memory, by cgroup     error: Detected 1 oom-kill event(s) in StepId=1.batch.
    too much memory, by polling    error: Exceeded job memory limit
    its time limit                 error: *** JOB 1 ON node1 CANCELLED AT ... DUE TO TIME LIMIT ***
    a job of `main` drives it out  ... DUE TO PREEMPTION ***
    scontrol requeue               ... DUE TO JOB REQUEUE ***
    its node is set down           ... DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***
    scancel                        error: *** JOB 1 ON node1 CANCELLED AT ... ***

With cgroups the kernel kills the process that is too large, and its parent lives on: the job is
OUT_OF_MEMORY even if the script then ends by 0.  By polling (each second) the whole job is killed.

SLURM counts time limits in minutes and looks at them each 30 s: a job of `--time=1` ends 60 to 90 s
after its start, and `--signal` comes up to 30 s before its time.  `end_soon` makes it 0 to 30 s.
A requeued job waits 30 s (`cred_expire`; 120 s by default) unless `start_now` hurries it.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests import leftovers
from tests.ports import free_ports
from tests.slurm import configuration
from tests.waiting import patience, wait_for
from workshop.run_agents.rehearsal import daemons, files, processes, programs
from workshop.run_agents.rehearsal.configuration import POLLING, Configuration, cgroup_conf
from workshop.run_agents.rehearsal.levers import TIME_IS_PAST

# What must be installed: a file or program of each of Debian's packages.
NEEDED = {
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-client",
    "munged": "munge",
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server-core",
    "/usr/share/modules/init/bash": "environment-modules",
}
# How many tasks of one CPU each has, whatever the machine has: an agent mostly waits.
NODES = {"node1": 3, "node2": 1}
# Where version 1 of the kernel's control groups has the one for memory.
MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")
STARTUP_SECONDS = 120

# Debian keeps the daemons in /usr/sbin, which is not on every user's PATH.
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

# MariaDB's own definition of its system tables, which it runs with `--bootstrap`.
SYSTEM_TABLES = [
    Path("/usr/share/mysql", name)
    for name in (
        "mysql_system_tables.sql",
        "mysql_performance_tables.sql",
        "mysql_system_tables_data.sql",
    )
]


def missing() -> str | None:
    """Return why this machine cannot run the cluster, or None if it can."""
    absent = {
        package
        for program, package in NEEDED.items()
        if not shutil.which(program, path=PATH) and not Path(program).is_file()
    }
    if absent:
        return f"not installed: apt-get install {' '.join(sorted(absent))}"
    return None


class Cluster:
    """Two nodes, their controller and its accounting, with all their files in one folder.

    Use it as a context manager: it is ready on entry and has left no process on exit, nor after
    the death of the process that started it.  Programs that get `environment` speak to it; an
    installed cluster is neither used nor disturbed.

    Attributes:
        folder: configuration, key, database, state and logs of the daemons.
        environment: `SLURM_CONF`, `PATH` and `MODULEPATH` for everything that calls SLURM's
            commands, as they are set for a user on a cluster's login node.
        out_of_memory: State and ExitCode by sacct of a job that runs out of memory: by cgroup
            where this machine has them, else by polling.
    """

    def __init__(self):
        # Not pytest's folder: a Unix socket's path holds 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.environment = {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": PATH,
            "MODULEPATH": str(self.folder / "modules"),
        }
        self.out_of_memory = ("FAILED", "0:9")
        self._daemons: dict[str, subprocess.Popen] = {}
        self._cleaner: subprocess.Popen | None = None

    def __enter__(self) -> "Cluster":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cleaner.communicate()
        for daemon in self._daemons.values():
            daemon.wait()

    def command(self, *words: str) -> str:
        """Run one of SLURM's commands on this cluster and return what it printed."""
        done = self._run(*words)
        return done.stdout + done.stderr

    def sacct(self, job: str, *fields: str) -> list[dict[str, str]]:
        """Return what accounting holds of a job: a record per task, step and requeue, in order.

        Raises:
            RuntimeError: sacct refused, for example a field that it does not have.
        """
        lines = self._checked(
            "sacct", "--noheader", "--parsable2", "--duplicates", f"--jobs={job}",
            f"--format={','.join(fields)}",
        ).splitlines()  # fmt: skip
        return [dict(zip(fields, line.split("|"), strict=True)) for line in lines]

    def end_soon(self, job: str) -> None:
        """Declare a running job's time over; SLURM notices within 30 s, with no warning before."""
        words = ("scontrol", "update", f"JobId={job}", "EndTime=now")

        def is_declared() -> bool:
            if TIME_IS_PAST in (said := self.command(*words)):
                return False
            assert not said
            return True

        wait_for(is_declared)

    def start_now(self, job: str) -> None:
        """Let a requeued job start again without the wait, unless it has started meanwhile."""
        # slurmd takes the job's new credential only if it is of a later second than the requeue.
        time.sleep(1)
        try:
            self._checked("scontrol", "update", f"JobId={job}", "StartTime=now")
        except RuntimeError as error:
            if "no longer pending" not in str(error):
                raise

    def cancel_all(self) -> None:
        """Cancel every job of this process's user."""
        self._checked("scancel", f"--user={os.geteuid()}")

    def node_down(self, node: str) -> None:
        """Set a node down, as an administrator does: its jobs end by NODE_FAIL."""
        self._checked("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")

    def node_up(self, node: str) -> None:
        """Take a node that is down into service again."""
        self._checked("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def crash_node(self, node: str) -> None:
        """Kill all that runs on a node, slurmd first, as if it had lost its power.

        The controller notices within SlurmdTimeout (30 s), or when the node boots.
        """
        slurmd = self._daemons.pop(node)
        slurmd.kill()
        slurmd.wait()
        processes.kill(SLURMD_NODENAME=node, SLURM_CONF=self.environment["SLURM_CONF"])

    def boot_node(self, node: str) -> None:
        """Start slurmd on a node after `crash_node`; the jobs that it had end by NODE_FAIL."""
        # The controller does not always believe a reboot (-b) that it did not expect.
        self.node_down(node)
        launched = time.strftime("%Y-%m-%dT%H:%M:%S")
        self._slurmd(node)

        def has_registered() -> bool:
            (started,) = re.findall(
                r"SlurmdStartTime=(\S+)", self.command("scontrol", "show", "node", node)
            )
            return launched <= started < "A"  # not "None" or "Unknown"

        self._until(has_registered, f"{node} has registered")
        self.node_up(node)
        self._until(
            lambda: self._states(node) in (["idle"], ["mixed"], ["allocated"]),
            f"{node} is in service again",
        )

    def processes(self) -> list[int]:
        """Return the processes that belong to the cluster, its jobs included."""
        return processes.find(SLURM_CONF=self.environment["SLURM_CONF"])

    def _start(self) -> None:
        # Jobs are in no process group of the cluster's, but all inherit its SLURM_CONF.
        self._cleaner = leftovers.watch(self.folder, SLURM_CONF=self.environment["SLURM_CONF"])
        if reason := missing():
            raise RuntimeError(f"no SLURM cluster: {reason}")
        folder = self.folder
        self._write_files()
        self._daemon("munged", " ".join(daemons.munged(folder / "munge.key", folder)))
        self._start_database()
        self._until((folder / "munge.socket").exists, "munged made its socket")
        self._daemon("slurmdbd", "slurmdbd -D", MYSQL_UNIX_PORT=f"{folder}/mariadb.socket")
        self._until(self._register, "accounting knows the cluster")
        self._daemon("slurmctld", "slurmctld -D")
        for node in NODES:
            self._slurmd(node)
        self._until(lambda: set(self._states(*NODES)) == {"idle"}, "the nodes are idle")

    def _write_files(self) -> None:
        folder = self.folder
        for name in ("state", "database", "modules/workshop-test", *(f"{n}.spool" for n in NODES)):
            (folder / name).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        user = files.user()
        ports = dict(zip(("controller", "accounting", *NODES), free_ports(4), strict=True))
        settings = {"folder": folder, "accounting_port": ports["accounting"], "user": user}
        memory = self._memory_limit()
        slurm_conf = Configuration(
            folder=folder,
            runtime=folder,
            host=host,
            user=user,
            controller_port=ports["controller"],
            nodes={name: (ports[name], cpus) for name, cpus in NODES.items()},
            memory=memory,
            accounting=configuration.ACCOUNTING.format(**settings),
            # No job is too large for a small machine.
            node_memory=65536,
            default_memory=4096,
            grace_seconds=20,
            short_minutes=1,
            is_spread=False,
        )
        (folder / "slurm.conf").write_text(str(slurm_conf))
        unused = cgroup_conf(files.version(programs.find()))
        for name, text in (
            ("cgroup.conf", unused if memory == POLLING else configuration.CGROUP_CONF),
            ("slurmdbd.conf", configuration.SLURMDBD_CONF),
            ("mariadb.cnf", configuration.MARIADB_CNF),
        ):
            (folder / name).write_text(text.format(**settings))
        (folder / "slurmdbd.conf").chmod(0o600)
        (folder / "modules/workshop-test/1.0").write_text(configuration.MODULEFILE)
        key = folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))

    def _memory_limit(self) -> str:
        """Return the lines for what ends jobs with too much memory: by cgroup if possible."""
        group = MEMORY_GROUPS / self.folder.name
        try:
            group.mkdir()
        except OSError:  # not there, or not ours to write
            return POLLING
        if not (group / "memory.memsw.limit_in_bytes").exists():  # swap would prolong a job's life
            group.rmdir()
            return POLLING
        # For SLURM the group of this cluster is the root of all, so that clusters do not meet.
        (self.folder / "cgroup").mkdir()
        (self.folder / "cgroup" / "memory").symlink_to(group)
        self.out_of_memory = ("OUT_OF_MEMORY", "0:125")
        return configuration.MEMORY_BY_CGROUP

    def _start_database(self) -> None:
        command = f"mariadbd --defaults-file={self.folder}/mariadb.cnf"
        tables = b"".join(path.read_bytes() for path in SYSTEM_TABLES)
        with (self.folder / "bootstrap.out").open("wb") as output:
            subprocess.run(
                [*command.split(), "--bootstrap"],
                input=b"create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n" + tables,
                env=os.environ | self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=patience(STARTUP_SECONDS),
                check=True,
            )
        self._daemon("mariadbd", command)
        self._until((self.folder / "mariadb.socket").exists, "MariaDB made its socket")

    def _register(self) -> bool:
        """Tell accounting of the cluster and who may use it; return whether it answered."""
        with (self.folder / "sacctmgr.out").open("wb") as output:
            done = subprocess.run(
                ["sacctmgr", "--immediate"],
                input=configuration.ACCOUNTS.format(user=files.user()).encode(),
                env=os.environ | self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=patience(180),
            )
        return done.returncode == 0

    def _slurmd(self, node: str) -> None:
        self._daemon(node, f"slurmd -D -N {node}", SLURMD_NODENAME=node)

    def _states(self, *nodes: str) -> list[str]:
        names = f"--nodes={','.join(nodes)}"
        return self.command("sinfo", "-h", "-N", "-p", "main", names, "-o", "%T").split()

    def _checked(self, *words: str) -> str:
        done = self._run(*words)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            words,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=patience(180),
        )

    def _daemon(self, name: str, command: str, **environment: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as output:
            self._daemons[name] = subprocess.Popen(
                command.split(),
                env=os.environ | self.environment | environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        def is_reached() -> bool:
            dead = [name for name, daemon in self._daemons.items() if daemon.poll() is not None]
            assert not dead, f"{dead} ended before {what}{self._logs()}"
            return condition()

        wait_for(is_reached, lambda: what + self._logs(), STARTUP_SECONDS)

    def _logs(self) -> str:
        return "".join(
            f"\n== {path.name}\n{path.read_text(errors='replace')[-2000:]}"
            for path in sorted(self.folder.iterdir())
            if path.suffix in {".log", ".out"}
        )
