"""Find SLURM's programs: those that `packages` has unpacked for this clone, else installed ones."""

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
"""The packages of Debian and Ubuntu that hold them."""

# Where distributions keep daemons, which is not on every user's PATH.
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Programs:
    """SLURM's programs and what they need to run.

    Attributes:
        folders: where the programs are.
        libraries: where their shared libraries are; none where they are installed.
        plugins: the folder of SLURM's plugins; None where it is the one that SLURM was built for.
    """

    folders: tuple[Path, ...]
    libraries: tuple[Path, ...] = ()
    plugins: Path | None = None

    def __str__(self) -> str:
        """Return where they are, for a reader."""
        return f"unpacked in {shown(unpacked_folder())}" if self.plugins else "installed"

    @property
    def stepd(self) -> Path | None:
        """The program that runs a job's step; None where slurmd finds it by itself."""
        return self.folders[0] / "slurmstepd" if self.plugins else None

    def search_paths(self, path: str, libraries: str) -> dict[str, str]:
        """Return `PATH` and `LD_LIBRARY_PATH` by which the programs and their libraries are found.

        Args:
            path: the `PATH` to begin with.
            libraries: the `LD_LIBRARY_PATH` to begin with, which may be empty.
        """
        folders = map(str, self.folders)
        # Installed programs hide nothing of the user's; unpacked ones come before installed ones.
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
    """Return how this machine gets SLURM's programs, as the last part of a sentence."""
    if can_fetch():
        return (
            "`workshop cluster start --fetch` fetches the packages and unpacks them in "
            f"{shown(unpacked_folder())}, without root"
        )
    return (
        f"have the packages {', '.join(PACKAGES)} installed (so called by Debian and Ubuntu; by "
        "Fedora slurm-slurmctld, slurm-slurmd, slurm, munge), none of which needs to be set up"
    )


def can_fetch() -> bool:
    """Tell whether this machine can fetch and unpack packages of Debian or Ubuntu."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def _unpacked(folder: Path) -> Programs:
    """Return the programs in a folder of unpacked packages, wherever those keep them."""
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
