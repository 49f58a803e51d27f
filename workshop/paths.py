"""Where the kit's files are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"
NOTEBOOKS = ROOT / "notebooks"
SLURM = ROOT / "slurm"


def home() -> Path:
    """Return the folder for everything that the kit writes: server store, checkpoints, logs.

    It is `$WORKSHOP_HOME`, or `.workshop` beside the notebooks.  On a cluster it must lie on a
    file system that the compute nodes share.
    """
    return Path(os.environ.get("WORKSHOP_HOME") or ROOT / ".workshop").expanduser().resolve()


def shown(path: Path) -> str:
    """Return `path` as messages show it: relative to the clone, or to the home folder (`~`)."""
    for base, prefix in ((ROOT, ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base)}"
    return str(path)
