"""SLURM's own configuration, `slurm.conf`, for two small nodes on one machine.

A real site's differs only in its ports, users and folders.  The tests' cluster, which also has
accounting and control groups, uses the same text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

POLLING = """\
# What ends a job that uses more than its --mem: slurmstepd, which looks each second.
JobAcctGatherParams=OverMemoryKill
"""
NO_ACCOUNTING = """\
# No accounting: a file remembers each start of a job, and the controller jobs for 30 days.
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc="{folder}/completed"
MinJobAge=2592000
"""

_NO_CGROUPS = "CgroupPlugin=disabled\n"
# For versions that need a plugin: this one looks for a control group only when one is used, and
# none is, while the plugin for version 2 asks systemd for one when it starts.
_UNUSED_CGROUPS = "CgroupPlugin=cgroup/v1\n"

_LOOPBACK = """\
# Nobody outside this machine can connect.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
"""

_TEXT = """\
ClusterName=workshop
SlurmctldHost={host}({address})
SlurmctldPort={controller_port}
{listening}
# The daemons run as the user who starts them.  Unless that is root, jobs can be this user's alone.
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={runtime}/munge.socket,cred_expire=30
{plugins}
# Nothing outside of two folders is written, so that an installed cluster stays as it is.
StateSaveLocation="{folder}/state"
SlurmctldLogFile="{folder}/slurmctld.log"
SlurmdLogFile="{folder}/%n.log"
SlurmdSpoolDir="{runtime}/%n.spool"
SlurmctldPidFile="{runtime}/slurmctld.pid"
SlurmdPidFile="{runtime}/%n.pid"

# Plugins that need neither root, MPI nor control groups.
ProctrackType=proctrack/linuxproc
MpiDefault=none
PropagateResourceLimits=NONE
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1

{memory}
{accounting}
# CPUs and memory are rationed.  The nodes pass for ones with more CPUs and memory than the machine
# may have: no job is too large for a small one.
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU={default_memory}
SlurmdParameters=config_overrides
MaxArraySize=1001
FirstJobId={first_job}

# A job starts at once if it can.  One of `main` drives out one of `low`, which gets the signal
# that it asked for, has GraceTime to write its checkpoint, and is queued again.
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
EnforcePartLimits=ALL

# Short waits: for a job told to end, for a node that answers no more, and (cred_expire, above)
# for a requeued job, which does not start again before its old credential has expired.  Shorter
# than half a minute it expires before a busy machine has launched the job, which then fails.
KillWait=5
OverTimeLimit=0
SlurmdTimeout=30
ReturnToService=1

NodeName=DEFAULT RealMemory={node_memory} State=UNKNOWN
{nodes}
PartitionName=DEFAULT Nodes=ALL State=UP LLN={spread}
PartitionName=main Default=YES MaxTime=01:00:00 PriorityTier=2 PreemptMode=OFF
PartitionName=low MaxTime=01:00:00 PriorityTier=1 PreemptMode=REQUEUE GraceTime={grace_seconds}
PartitionName=short MaxTime={short_minutes} PriorityTier=2 PreemptMode=OFF
"""


def cgroup_conf(version: tuple[int, ...]) -> str:
    """Return the text of `cgroup.conf` with which a version of SLURM uses no control groups."""
    return _NO_CGROUPS if version >= (24, 5) else _UNUSED_CGROUPS


@dataclass(frozen=True)
class Configuration:
    """The values in `slurm.conf`.

    Attributes:
        folder: the folder of the controller's state and all logs.
        runtime: the folder of sockets and spools, on a local disk; a socket's path can have at most
            107 bytes.
        host: this machine's short name.
        user: the user who runs the daemons.
        controller_port: the controller's port.
        nodes: the port and the number of CPUs of each node.
        plugins: the folder of SLURM's plugins; None for the default of SLURM's build.
        memory: the lines about jobs that use too much memory.
        accounting: the lines about the records of ended jobs.
        node_memory: memory of a node, in MB.
        default_memory: memory of a job that asks for none, in MB per CPU.
        first_job: the number of the first job.
        grace_seconds: how long a preempted job of `low` has to end.
        short_minutes: the time limit of `short`.
        address: the daemons' address, on loopback.
        is_closed: whether they listen only on loopback.  SLURM can only use the address of the
            machine's own name, so this name must resolve to `address`.
        is_spread: whether jobs go to the emptiest node rather than the fullest.
    """

    folder: Path
    runtime: Path
    host: str
    user: str
    controller_port: int
    nodes: Mapping[str, tuple[int, int]]
    plugins: Path | None = None
    memory: str = POLLING
    accounting: str = NO_ACCOUNTING
    node_memory: int = 8192
    default_memory: int = 1024
    first_job: int = 1
    grace_seconds: int = 60
    short_minutes: int = 2
    address: str = "127.0.0.1"
    is_closed: bool = False
    is_spread: bool = True

    def __str__(self) -> str:
        """Return the text of `slurm.conf`."""
        nodes = (
            f"NodeName={name} NodeHostname={self.host} NodeAddr={self.address} Port={port} "
            f"CPUs={cpus}\n"
            for name, (port, cpus) in self.nodes.items()
        )
        written = {
            "nodes": "".join(nodes),
            "accounting": self.accounting.format(folder=self.folder),
            "plugins": f'PluginDir="{self.plugins}"\n' if self.plugins else "",
            "listening": _LOOPBACK if self.is_closed else "",
            "spread": "YES" if self.is_spread else "NO",
        }
        return _TEXT.format(**(vars(self) | written))
