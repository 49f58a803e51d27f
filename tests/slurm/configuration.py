"""What the test cluster's daemons read beside `slurm.conf`, as templates of their texts.

`slurm.conf` is that of the rehearsal cluster (`workshop.run_agents.rehearsal.configuration`) with
some lines of its own, which are here.  The names in braces are filled in by `tests.slurm.cluster`.
"""

ACCOUNTING = """\
# Accounting: sacct answers, and an account must be one of the user's own.
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations
"""

# The kernel kills the largest process of a job when the job's memory is full.
MEMORY_BY_CGROUP = "TaskPlugin=task/cgroup\n"
CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint={folder}/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=yes
AllowedSwapSpace=0
"""

# Read by SlurmUser alone: on a real cluster it holds the database's password.
SLURMDBD_CONF = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting_port}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log

# Host `localhost` means a Unix socket: the one that MYSQL_UNIX_PORT names.  Its `root` is
# the database's, who has no password.
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
"""

# Not worth keeping, hence fast: small, and written to disk when the system likes to.
MARIADB_CNF = """\
[mariadbd]
user={user}
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

# One account that jobs of the user who runs the tests may use, and one that they may not.
ACCOUNTS = """\
add cluster workshop
add account workshop,closed cluster=workshop
add user {user} account=workshop cluster=workshop
modify user {user} set defaultaccount=workshop
"""

# The module `workshop-test/1.0`: a job that loads it has the variables.
MODULEFILE = """\
#%Module
setenv WORKSHOP_TEST_MODULE loaded
setenv WORKSHOP_TEST_SCRATCH /var/tmp
"""
