"""Look at this machine before a sweep does: what was found, and what to do about it."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from workshop import slurm
from workshop.config import TrainingConfig
from workshop.data import missing
from workshop.paths import home
from workshop.threads import available_cpus

# Checkpoints, the store of the server and the client's files of a sweep at class scale.
NEEDED_GIB = 5

PACKAGES = ("wandb", "torch", "torchvision", "jupyterlab", "papermill")


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        found: what was there.
        verdict: `ok`, `note` (works, with something to know) or `problem`.
        next_step: what to do; empty if there is nothing to do.
    """

    check: str
    found: str
    verdict: str = "ok"
    next_step: str = ""


def check_setup(config: TrainingConfig) -> pd.DataFrame:
    """Return a row per finding about this machine.

    Args:
        config: what a trial will train with; decides which data are looked for.
    """
    findings = [
        Finding("Python", platform.python_version()),
        *_packages(),
        Finding("CPUs for this process", str(available_cpus())),
        _gpu(),
        _data(config),
        _disk(),
        _slurm(),
    ]
    frame = pd.DataFrame([vars(finding) for finding in findings])
    return frame.rename(columns={"next_step": "next step"})


def _packages() -> Iterator[Finding]:
    for package in PACKAGES:
        try:
            yield Finding(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                package, "not installed", "problem", "choose the kernel of this kit's environment"
            )


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        return Finding("GPU", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    return Finding("GPU", "none", "note", "stay with scale smoke, or run on a GPU node")


def _data(config: TrainingConfig) -> Finding:
    if problem := missing(config):
        return Finding(f"data ({config.dataset})", "not there", "problem", problem)
    return Finding(f"data ({config.dataset})", "there")


def _disk() -> Finding:
    folder = next(parent for parent in (home(), *home().parents) if parent.exists())
    free = shutil.disk_usage(folder).free / 2**30
    if not os.access(folder, os.W_OK):
        return Finding("disk", "not writable", "problem", "set WORKSHOP_HOME to a folder of yours")
    if free < NEEDED_GIB:
        return Finding(
            "disk", f"{free:.1f} GiB free", "problem",
            f"free {NEEDED_GIB} GiB, or set WORKSHOP_HOME to a folder with more room",
        )  # fmt: skip
    return Finding("disk", f"{NEEDED_GIB} GiB or more free")


def _slurm() -> Finding:
    if reason := slurm.available():
        found, _, next_step = reason.partition("; ")
        return Finding("SLURM", found, "note", next_step)
    return Finding("SLURM", "answers")
