"""The software and hardware environment of a run, and of this machine."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from workshop import __version__
from workshop._compat import client_errors
from workshop.paths import ROOT

PACKAGES = ("wandb", "torch", "torchvision", "numpy", "pandas", "scikit-learn")
LOCK = ROOT / "requirements.lock"


def here() -> dict[str, str]:
    """Return the versions of the kit and its packages, its commit and its lock, on this machine."""
    facts = {"kit": __version__}
    if commit := _git("rev-parse", "HEAD"):
        facts["commit"] = f"{commit} with changes" if _git("status", "--porcelain") else commit
    if LOCK.exists():
        facts["lock"] = (
            f"requirements.lock, SHA-256 {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
        )
    facts |= {"Python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    return facts


def of_run(path: str) -> dict[str, str]:
    """Return what the client recorded about the machine and the program of a run, if anything.

    Args:
        path: `entity/project/run`.
    """
    import wandb

    try:
        noted = wandb.Api().run(path).metadata or {}
    except client_errors():
        noted = {}
    git = noted.get("git") or {}
    memory = (noted.get("memory") or {}).get("total")
    facts = {
        "run": path,
        "commit": git.get("commit"),
        "program": noted.get("program"),
        "host": noted.get("host"),
        "system": noted.get("os"),
        "Python": noted.get("python"),
        "client": (noted.get("cli_version") and f"wandb {noted['cli_version']}"),
        "CPUs": noted.get("cpu_count"),
        "memory": f"{int(memory) / 2**30:.0f} GiB" if memory else None,
        "GPU": noted.get("gpu"),
        "started": noted.get("startedAt"),
    }
    return {name: str(value) for name, value in facts.items() if value}


def _git(*arguments: str) -> str:
    """Return git's output for the kit's folder; empty if that isn't a clone."""
    if not (ROOT / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
