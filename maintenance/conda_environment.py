"""Write `environment.yml` from `requirements.lock`: `python -m maintenance.conda_environment`.

conda gives Python and the programs that are no Python packages; pip gives every package in the
lock's version.  Packages of conda-forge would be other builds in other versions, found by another
solver, so that nothing tested here would say anything about them.

The packages of the tests are left out: pip's solver, which conda lets loose on the list, refuses
`sweeps`, for which `pyproject.toml` has an exception that uv alone knows.  Hashes are left out
too, for with them pip would refuse the kit itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
ENVIRONMENT = ROOT / "environment.yml"
KIT = "sweep-workshop (pyproject.toml)"
"""Who needs what `pyproject.toml` itself names, without the group `dev`."""

HEAD = """\
# For conda and mamba, on a cluster or a laptop: every package in the version of requirements.lock,
# of which this file is made by `make lock`.
#
#     mamba env create --file environment.yml    # or conda; about 6 GB, most of it PyTorch
#     conda activate sweep-workshop
#     workshop lab                               # what `make lab` does; `workshop --help` has more
#
# For several users: create it once with --prefix in a folder that all of them can read, and give
# everybody a copy of the notebooks by `workshop copy`.
name: sweep-workshop
channels: [conda-forge, nodefaults]
dependencies:
  - python=3.11                # the oldest that the kit supports, on which its tests run
  - pip
  - git
  - make
  - configurable-http-proxy    # for whoever runs JupyterHub from here
  - pip:
"""
TAIL = """\
      - -e .                   # the kit; conda lets pip start in this folder
"""


def environment(lock: str) -> str:
    """Return the text of `environment.yml` that belongs to a lock."""
    return HEAD + "".join(f"      - {line}\n" for line in _needed(lock)) + TAIL


def _needed(lock: str) -> list[str]:
    """Return `name==version ; marker` of all that the kit needs, directly or not."""
    entries = list(_entries(lock))
    needed = {KIT}
    while True:
        names = {name for name, _, parents in entries if needed & parents}
        if names <= needed:
            return [line for name, line, _ in entries if name in needed]
        needed |= names


def _entries(lock: str) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the name of each locked package, its line, and who needs it."""
    for block in re.split(r"\n(?=[a-z0-9])", lock):
        if pin := re.match(r"([a-z0-9._-]+)==[^\\\n]+", block):
            comments = re.findall(r"^    # +(?:via )?(.+)$", block, re.MULTILINE)
            yield pin[1], pin[0].strip(), set(comments)


if __name__ == "__main__":
    ENVIRONMENT.write_text(environment(LOCK.read_text()))
