"""Fetch SLURM's packages from Debian or Ubuntu and unpack them, without root or installation.

apt itself decides which packages those are, and which dependencies this machine lacks.
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
from workshop.run_agents.rehearsal.programs import PACKAGES, can_fetch, how_to_get, unpacked_folder
from workshop.wording import count

_INSTALLED = Path("/var/lib/dpkg/status")
# SLURM's and munge's programs are unpacked even if some are installed, because programs and
# plugins of different versions don't work together.  Installed libraries are used as they are.
_OWN = re.compile(r"^Package: (slurm|munge)", re.MULTILINE)
# `Inst NAME (VERSION ...)`; an update of an installed package has the old version first: `[OLD]`.
_NEW = re.compile(r"^Inst (\S+) \(", re.MULTILINE)
_FETCH_LIMIT_S = 600


def fetch(show: Callable[[str], object] = print) -> None:
    """Fetch SLURM's packages and unpack them into `.workshop/slurm-packages`.

    Raises:
        WorkshopError: this machine has no apt, or apt fails.
    """
    target = unpacked_folder()
    if not can_fetch():
        raise WorkshopError(f"this machine has no apt-get, which fetches packages: {how_to_get()}")
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
    show(
        f"{count(len(files), 'package is', 'packages are')} unpacked in {shown(target)}; to undo "
        "this, delete the folder"
    )


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
        # The package lists may be empty, as in a container, or out of date: fetch new ones.
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
    """Link all programs into one folder, under the names that an installation gives them.

    Debian's packages contain `slurmd-wlm`, for example, which an installation links as `slurmd`.
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
            timeout=_FETCH_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise WorkshopError(
            f"`{command[0]}` did not finish within {_FETCH_LIMIT_S} s: check this machine's "
            "connection to its package server, or have SLURM installed"
        ) from None
    if done.returncode:
        lines = re.findall(r"^E: (.*)", done.stderr, re.MULTILINE) or done.stderr.splitlines()
        raise WorkshopError(
            f"SLURM's packages could not be fetched (`{command[0]}` printed: "
            f"{(lines or ['nothing'])[-1].strip()}): check the network and try again, or have "
            f"{', '.join(PACKAGES)} installed"
        )
    return done.stdout
