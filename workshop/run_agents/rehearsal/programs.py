"""Find SLURM's programs: those that `packages` has unpacked, or else installed ones."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import home, shown

NEEDED = (
    "munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo", "squeue",
)  # fmt: skip
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
"""The packages of Debian and Ubuntu that contain them."""

# The folders of daemons, which aren't on every user's PATH.
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Programs:
    """SLURM's programs and what they need to run.

    Attributes:
        folders: the folders of the programs.
        libraries: the folders of their shared libraries; empty for installed programs.
        plugins: the folder of SLURM's plugins; None for the default of SLURM's build.
    """

    folders: tuple[Path, ...]
    libraries: tuple[Path, ...] = ()
    plugins: Path | None = None

    def __str__(self) -> str:
        """Return whether they are installed, or where they were unpacked."""
        return f"unpacked in {shown(unpacked_folder())}" if self.plugins else "installed"

    @property
    def stepd(self) -> Path | None:
        """The program that runs a job's step; None if slurmd finds it by itself."""
        return self.folders[0] / "slurmstepd" if self.plugins else None

    def search_paths(self, path: str, libraries: str) -> dict[str, str]:
        """Return the `PATH` and `LD_LIBRARY_PATH` for the programs and their libraries.

        Args:
            path: the initial `PATH`.
            libraries: the initial `LD_LIBRARY_PATH`, which may be empty.
        """
        folders = map(str, self.folders)
        # Unpacked programs go before installed ones; installed ones must not shadow the user's.
        words = [*folders, path] if self.plugins else [path, *folders]
        found = {"PATH": os.pathsep.join(words)}
        if self.libraries:
            words = [*map(str, self.libraries), *filter(None, [libraries])]
            found["LD_LIBRARY_PATH"] = os.pathsep.join(words)
        return found


def unpacked_folder() -> Path:
    """Return the folder into which SLURM's packages are unpacked."""
    return home() / "slurm-packages"


def find() -> Programs:
    """Return SLURM's programs, unpacked ones first.

    Raises:
        WorkshopError: some are missing.
    """
    if unpacked_folder().is_dir():
        return _unpacked(unpacked_folder())
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])
    found = {name: shutil.which(name, path=path) for name in NEEDED}
    if missing := [name for name, file in found.items() if not file]:
        raise WorkshopError(
            f"SLURM's {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not on this "
            f"machine: {how_to_get()}"
        )
    return Programs(tuple(dict.fromkeys(Path(file).parent for file in found.values() if file)))


def how_to_get() -> str:
    """Return how to get SLURM's programs on this machine, as the last part of a sentence."""
    if can_fetch():
        return (
            "run `workshop cluster start --fetch`, which fetches the packages and unpacks them in "
            f"{shown(unpacked_folder())}, without root"
        )
    return (
        f"have the packages {', '.join(PACKAGES)} installed (on Fedora: slurm-slurmctld, "
        "slurm-slurmd, slurm, munge); they don't need to be set up"
    )


def can_fetch() -> bool:
    """Return whether this machine can fetch and unpack packages of Debian or Ubuntu."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def _unpacked(folder: Path) -> Programs:
    """Return the programs in a folder of unpacked packages."""
    programs = folder / "bin"
    plugins = next(folder.rglob("auth_munge.so"), None)
    missing = [name for name in NEEDED if not (programs / name).is_file()]
    if missing or not plugins:
        raise WorkshopError(
            f"{shown(folder)} lacks SLURM's {', '.join(missing) or 'plugin auth_munge'}: delete "
            f"it, then {how_to_get()}"
        )
    libraries = {file.parent for file in folder.rglob("lib*.so*")}
    return Programs((programs,), tuple(sorted(libraries)), plugins.parent)
