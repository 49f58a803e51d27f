"""Fetch SLURM's packages from Debian or Ubuntu and unpack them, without root: nothing is installed.

apt itself says which packages those are, and which other ones this machine lacks for them.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.paths import home, shown
from workshop.rehearsal.programs import PACKAGES, can_fetch, how_to_get, unpacked_folder

_INSTALLED = Path("/var/lib/dpkg/status")
# SLURM's programs and munge's are unpacked even where some are installed, because programs and
# plugins of two versions do not work together.  Libraries are not: others may depend on them.
_OWN = re.compile(r"^Package: (slurm|munge)", re.MULTILINE)
# `Inst NAME (VERSION ...)`; an update of what is installed has the old version before: `[OLD]`.
_NEW = re.compile(r"^Inst (\S+) \(", re.MULTILINE)
_TIMEOUT_S = 600


def fetch(show: Callable[[str], object] = print) -> None:
    """Fetch and unpack SLURM's packages into `.workshop/slurm-packages`, and say so.

    Raises:
        WorkshopError: this machine has no apt, or apt fails.
    """
    target = unpacked_folder()
    if not can_fetch():
        raise WorkshopError(f"this machine has no apt-get to fetch packages with: {how_to_get()}")
    home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home(), prefix="slurm-packages-") as folder:
        place = Path(folder)
        files = _download(place)
        unpacked = place / "unpacked"
        unpacked.mkdir()
        for file in files:
            _run(["dpkg-deb", "--extract", str(file), str(unpacked / "packages")], place)
        _link_programs(unpacked)
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)
    show(f"{len(files)} packages are unpacked in {shown(target)}; delete the folder to undo it")


def _download(place: Path) -> list[Path]:
    """Download the packages that are needed; return their files."""
    status = place / "status"
    stanzas = _INSTALLED.read_text(errors="replace").split("\n\n")
    status.write_text("\n\n".join(stanza for stanza in stanzas if not _OWN.search(stanza)))
    options = [
        "--quiet", "--option=APT::Sandbox::User=", "--option=Debug::NoLocking=1",
        f"--option=Dir::State::status={status}", f"--option=Dir::Cache={place}",
    ]  # fmt: skip
    downloads = place / "downloads"
    downloads.mkdir()
    try:
        _download_by(options, downloads)
    except WorkshopError:
        # The lists of packages may be empty, as in a container, or out of date: get some.
        lists = place / "lists"
        (lists / "partial").mkdir(parents=True)
        options.append(f"--option=Dir::State::lists={lists}")
        _run(["apt-get", *options, "update"], place)
        _download_by(options, downloads)
    return sorted(downloads.glob("*.deb"))


def _download_by(options: Sequence[str], downloads: Path) -> None:
    simulated = _run(
        ["apt-get", *options, "--simulate", "--no-install-recommends", "install", *PACKAGES],
        downloads,
    )
    _run(["apt-get", *options, "download", *_NEW.findall(simulated)], downloads)


def _link_programs(unpacked: Path) -> None:
    """Make links to all programs in one folder, by the names that they have once installed.

    Debian's packages hold `slurmd-wlm`, for which their installation makes a link `slurmd`.
    """
    links = unpacked / "bin"
    links.mkdir()
    for program in sorted(unpacked.glob("packages/usr/*bin/*")):
        link = links / program.name.removesuffix("-wlm")
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(program, links))


def _run(command: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise WorkshopError(
            f"`{command[0]}` did not end within {_TIMEOUT_S} s: check this machine's way to its "
            "package server, or have SLURM installed"
        ) from None
    if done.returncode:
        lines = re.findall(r"^E: (.*)", done.stderr, re.MULTILINE) or done.stderr.splitlines()
        raise WorkshopError(
            f"SLURM's packages could not be fetched, since `{command[0]}` says: "
            f"{(lines or ['nothing'])[-1].strip()}; try again with a network, or have "
            f"{', '.join(PACKAGES)} installed"
        )
    return done.stdout
