"""What tests have started and made, and its end, even after their own.

A run of the tests has a folder, and everything that it starts inherits a variable that names this
folder.  So whatever ended the run, all of that can be found:

    python -m tests.leftovers FOLDER WORKSHOP_TEST_RUN=FOLDER

waits until its input ends, which the run holds open as long as it lives, and then leaves neither
a process, a user nor a file of it.  What even that cannot do, because the machine went down, the
next run does at its start (`clean_dead_runs`).
"""

import contextlib
import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from workshop.run_agents.rehearsal import processes

ROOT = Path(__file__).parents[1]
RUN = "WORKSHOP_TEST_RUN"
"""The variable that names the folder of the run."""

PREFIX = "sweep-tests-"


def mark() -> dict[str, str]:
    """Return the variable by which a process is found, for those that inherit nothing else."""
    return {RUN: os.environ[RUN]} if RUN in os.environ else {}


def unmarked() -> dict[str, str]:
    """Return the environment for what outlives the run, to clean up after it."""
    return {name: value for name, value in os.environ.items() if name != RUN}


def elsewhere() -> dict[str, str]:
    """Return the environment for a run of pytest that is none of this one's processes."""
    return {name: value for name, value in unmarked().items() if name != "PYTEST_XDIST_WORKER"}


def remember_user(name: str) -> None:
    """Let a user of this machine who was made for a test be removed, whatever ends the run."""
    if RUN in os.environ:
        with (Path(os.environ[RUN]) / "users").open("a") as users:
            print(name, file=users)


def remove_user(name: str) -> None:
    """Remove a user of this machine with all that runs for them and their temporary files."""
    kill_user(name)
    with contextlib.suppress(KeyError):  # already removed
        uid = pwd.getpwnam(name).pw_uid
        for place in Path("/tmp").iterdir():
            with contextlib.suppress(OSError):  # gone since
                found = place.lstat()  # of a link itself
                if found.st_uid == uid:
                    shutil.rmtree(place) if stat.S_ISDIR(found.st_mode) else place.unlink()
    subprocess.run(["userdel", name], capture_output=True)


def kill_user(name: str) -> None:
    """End what a user has left running."""
    while subprocess.run(["pkill", "-KILL", "-u", name], capture_output=True).returncode == 0:
        time.sleep(0.02)


def watch(folder: Path, **marks: str) -> subprocess.Popen:
    """Start what cleans up after this process; `communicate` on it does so at once.

    Args:
        folder: is removed.
        marks: variables by whose values the processes are known.
    """
    words = [f"{name}={value}" for name, value in marks.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.leftovers", folder, *words],
        env=unmarked(),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not for it
    )


def clean(folder: Path, marks: Mapping[str, str]) -> None:
    """Leave nothing of the owner of a folder: its users, its processes and its files."""
    users = folder / "users"
    for name in users.read_text().split() if users.exists() else ():
        remove_user(name)
    processes.kill(**marks)
    memory = folder / "cgroup" / "memory"  # of a cluster
    if memory.is_symlink():
        remove_groups(memory.resolve())
    shutil.rmtree(folder, ignore_errors=True)


def clean_dead_runs() -> None:
    """Clean up after runs whose owners are gone and whose cleaners are, too."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "alive").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails as long as its owner lives
            clean(folder, {RUN: str(folder)})


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
    sys.stdin.read()
    clean(Path(sys.argv[1]), dict(word.split("=", 1) for word in sys.argv[2:]))
