"""A Python that other users can run, where root's own is closed to them.

A clone's environment has the interpreter that it was made with, and that may lie in root's home
folder.  Then the same packages are taken with the system's interpreter, if it is of the same
version.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from workshop.paths import ROOT

SYSTEM = Path("/usr/bin/python3")
IMPORT = "import workshop, torch, jupyterhub"


class ClosedError(Exception):
    """Other users cannot run the environment; the message says why."""


def python_for_others(folder: Path) -> Path:
    """Return a Python with this environment's packages that every user can run.

    Args:
        folder: is made, unless this environment itself will do.
    """
    ours = Path(sys.executable)
    if (reason := _refusal(ours)) is None:
        return ours
    if SYSTEM.exists():
        twin = _twin(folder)
        if _refusal(twin) is None:
            return twin
    raise ClosedError(f"other users cannot run the clone's environment: {reason}")


def _refusal(python: Path) -> str | None:
    """Return why another user cannot use the clone by this Python; None if they can."""
    command = ["runuser", "-u", "nobody", "--", python, "-c", IMPORT]
    environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    closed = [
        folder
        for start in (ROOT, python, python.resolve())
        for folder in (start, *start.parents)
        if folder.is_dir() and not folder.stat().st_mode & 0o001
    ]
    if closed:
        return f"{closed[-1]} is closed to them; chmod o+x {closed[-1]}, or clone elsewhere"
    return (done.stderr.strip().splitlines() or ["it says nothing"])[-1]


def _twin(folder: Path) -> Path:
    """Make an environment with the packages of this one and the system's interpreter."""
    theirs = Path(sys.prefix).resolve()
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {SYSTEM.parent}\n")
    for name in ("lib", "share", "etc"):
        if (theirs / name).exists():
            (folder / name).symlink_to(theirs / name)
    python = folder / "bin" / "python"
    python.symlink_to(SYSTEM)
    for script in (theirs / "bin").iterdir():
        start = f"#!{theirs}/bin/python".encode()
        if script.is_file() and (text := script.read_bytes()).startswith(start):
            _, _, rest = text.partition(b"\n")
            (folder / "bin" / script.name).write_bytes(f"#!{python}\n".encode() + rest)
            shutil.copymode(script, folder / "bin" / script.name)
    return python
