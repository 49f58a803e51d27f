"""What the files of the test cluster's daemons say, as templates of their texts.

The names in braces are filled in by `tests.slurm.cluster`.  A site's own configuration looks
the same but for its ports, its users and its folder.
"""

# In another folder than an installed cluster's, so that the two never meet.
SLURM_CONF = """\
ClusterName=workshop
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}

# The daemons run as the user who runs the tests: root, since slurmd starts jobs as their owners.
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=30

# Nothing outside this folder is written but a control group of the cluster's own, so that an
# installed cluster stays as it is.
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n.spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log

# Plugins that need no MPI, and control groups for memory alone.
ProctrackType=proctrack/linuxproc
MpiDefault=none
SwitchType=switch/none

# Accounting: sacct answers, and an account must be one of the user's own.
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations

# What a job uses is looked at each second; `memory` says what ends one that exceeds its --mem.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
{memory}
# CPUs and memory are rationed.  The nodes pass for ones with more CPUs and memory than the machine
# may have: no job is too large for a small one.
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=4096
SlurmdParameters=config_overrides
MaxArraySize=1001

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

NodeName=DEFAULT RealMemory=65536 State=UNKNOWN
{nodes}
PartitionName=DEFAULT Nodes=ALL State=UP
PartitionName=main Default=YES MaxTime=01:00:00 PriorityTier=2 PreemptMode=OFF
PartitionName=low MaxTime=01:00:00 PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=short MaxTime=00:01:00 PriorityTier=2 PreemptMode=OFF
"""

NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus}\n"

# The kernel kills the largest process of a job when the job's memory is full.
MEMORY_BY_CGROUP = "TaskPlugin=task/cgroup\n"
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint={folder}/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
AllowedSwapSpace=0
"""

# The slow way for machines without control groups: slurmstepd kills a job that it finds too large.
MEMORY_BY_POLLING = "TaskPlugin=task/none\nJobAcctGatherParams=OverMemoryKill\n"

# Read by root alone: on a real cluster it holds the database's password.
SLURMDBD_CONF = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log

# Host `localhost` means a Unix socket: the one that MYSQL_UNIX_PORT names.
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
"""

# Not worth keeping, hence fast: small, and written to disk when the system likes to.
MARIADB_CNF = """\
[mariadbd]
user=root
datadir={folder}/database
socket={folder}/mariadb.socket
skip-networking
lc-messages=en_US
innodb-buffer-pool-size=32M
innodb-log-file-size=8M
innodb-lock-wait-timeout=900
innodb-flush-log-at-trx-commit=0
debug-no-sync
innodb-flush-method=nosync
innodb-doublewrite=0
"""

# One account that jobs may use and one that they may not; root is the one who runs the tests.
ACCOUNTS = """\
add cluster workshop
add account workshop,closed cluster=workshop
add user root account=workshop cluster=workshop
modify user root set defaultaccount=workshop
"""

# The module `workshop-test/1.0`: a job that loads it has the variables.
MODULEFILE = """\
#%Module
setenv WORKSHOP_TEST_MODULE loaded
setenv WORKSHOP_TEST_SCRATCH /var/tmp
"""
