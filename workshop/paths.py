"""The paths of the kit's files."""

from pathlib import Path
from shlex import quote

ROOT = Path(__file__).resolve().parents[1]
WHEEL_PARTS = ROOT / "workshop" / "kit"
"""The folder in a wheel for files that belong to no package, such as notebooks.  A clone or a copy
doesn't have it; an installed kit works in a copy."""
CONFIGS = ROOT / "configs"
NOTEBOOKS = ROOT / "notebooks"
SLURM = ROOT / "slurm"

PAGE_STYLE = ROOT / "sweepserver" / "pages" / "static" / "style.css"
"""The local server's style sheet, which the pages that the kit writes share."""


def home() -> Path:
    """Return the folder for everything that the kit writes: server store, checkpoints, logs.

    It is `$WORKSHOP_HOME`, or `.workshop` in the clone.  On a cluster it must be on a file system
    that the compute nodes share.
    """
    from workshop.settings import settings  # slow to import

    return (settings().home or ROOT / ".workshop").expanduser().resolve()


def shown(path: Path) -> str:
    """Return `path` as messages show it: relative to the clone, or to the home folder (`~`)."""
    for base, prefix in ((ROOT, ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return f"{prefix}{path.relative_to(base)}"
    return str(path)


def typed(path: Path) -> str:
    """Return `path` as one types it in a shell: as `shown` does, and quoted if it needs to be."""
    text = shown(path)
    return f"~/{quote(text[2:])}" if text.startswith("~/") else quote(text)
