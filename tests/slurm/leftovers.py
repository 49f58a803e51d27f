"""The processes of a test cluster, and their end, even after its owner's own.

As a program it is given a cluster's folder, waits until its input ends, which whoever started it
holds open, and then leaves neither a process nor a file of that cluster.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def processes(**variables: str) -> list[int]:
    """Return the processes, this one apart, that were started with variables of these values.

    Jobs are in no process group of their cluster's, but all have inherited its SLURM_CONF.
    """
    marks = {f"{name}={value}".encode() for name, value in variables.items()}
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended in the meantime
            if marks.issubset(file.read_bytes().split(b"\0")):
                found.append(int(file.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def kill(**variables: str) -> None:
    """Kill those processes, and what they start meanwhile; return when none is left."""
    while found := processes(**variables):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def remove_groups(group: Path) -> None:
    """Remove a control group and those in it, whose files are not to be removed one by one."""
    for name, _, _ in os.walk(group, topdown=False):
        folder = Path(name)
        deadline = time.monotonic() + 5
        while folder.exists() and time.monotonic() < deadline:
            try:
                folder.rmdir()
            except OSError:  # the last of its processes is still ending
                time.sleep(0.02)


if __name__ == "__main__":
    cluster = Path(sys.argv[1])
    sys.stdin.read()
    kill(SLURM_CONF=str(cluster / "slurm.conf"))
    memory = cluster / "cgroup" / "memory"
    if memory.is_symlink():
        remove_groups(memory.resolve())
    shutil.rmtree(cluster, ignore_errors=True)
