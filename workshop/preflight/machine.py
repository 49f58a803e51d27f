"""Check Python, the packages, the widgets, the CPUs and the GPU."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from workshop.paths import ROOT
from workshop.preflight.finding import REINSTALL, Finding
from workshop.trainer.cpus import available_cpus

# Packages whose versions are always shown.
PACKAGES = ("wandb", "torch", "torchvision", "jupyterlab", "papermill")
KIT = "sweep-workshop"

# JupyterLab needs this package to show a widget; ipywidgets in the kernel requires its version.
_WIDGET_MANAGER = "jupyterlab_widgets"


def findings() -> Iterator[Finding]:
    """Check everything that doesn't depend on a server or a cluster."""
    yield Finding("Python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("kit", str(ROOT / "workshop"))
    yield from _packages()
    yield _widgets()
    yield Finding("CPUs for this process", str(available_cpus()))
    yield _gpu()


def _packages() -> Iterator[Finding]:
    """Compare this environment's packages with the kit's requirements."""
    required = {requirement.name: requirement.specifier for requirement in _requirements()}
    if not required:
        yield Finding(
            "kit's requirements", f"unknown: {KIT} is not installed in this environment", "note",
            REINSTALL,
        )  # fmt: skip
    unfit = 0
    for package in dict.fromkeys([*PACKAGES, *required]):
        version = _version(package)
        wanted = required.get(package, SpecifierSet())
        fits = version is not None and wanted.contains(version, prereleases=True)
        unfit += not fits
        if version is None:
            yield Finding(package, "not installed", "problem", REINSTALL)
        elif not fits:
            yield Finding(package, f"{version}, but the kit needs {wanted}", "problem", REINSTALL)
        elif package in PACKAGES:
            yield Finding(package, version)
    if required and not unfit:
        yield Finding("kit's requirements", f"all {len(required)} packages are installed")


def _requirements() -> list[Requirement]:
    """Return the kit's requirements here, without extras; empty if it isn't installed."""
    try:
        found = map(Requirement, importlib.metadata.requires(KIT) or [])
    except importlib.metadata.PackageNotFoundError:
        return []
    return [one for one in found if not one.marker or one.marker.evaluate({"extra": ""})]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _widgets() -> Finding:
    """Check that this kernel's widgets and the Jupyter server's have matching versions.

    On most hubs these are two environments.  If they don't match, a widget is shown as the text
    `model not found`.
    """
    version = _version("ipywidgets")
    if version is None:
        return Finding("widgets", "ipywidgets is not installed", "problem", REINSTALL)
    wanted = next(
        requirement.specifier
        for requirement in map(Requirement, importlib.metadata.requires("ipywidgets") or [])
        if requirement.name == _WIDGET_MANAGER
    )
    kernel = f"ipywidgets {version}"
    server = _server_python()
    if server is None:
        return Finding("widgets", f"{kernel}; not in a JupyterLab notebook")
    program = f"import importlib.metadata as m; print(m.version({_WIDGET_MANAGER!r}))"
    try:
        done = subprocess.run(
            [server, "-c", program], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return Finding("widgets", f"{kernel}; the environment of JupyterLab cannot be read", "note")
    shown = done.stdout.strip()
    if done.returncode == 0 and wanted.contains(shown, prereleases=True):
        return Finding("widgets", f"{kernel}, {_WIDGET_MANAGER} {shown} in JupyterLab")
    return Finding(
        "widgets",
        f"{kernel}, but {_WIDGET_MANAGER} {shown or 'is missing'} in JupyterLab",
        "note",
        f"have {_WIDGET_MANAGER}{wanted} installed there; until then, use the line of plain Python "
        "next to each widget",
    )


def _server_python() -> str | None:
    """Return the Python of the Jupyter server that started this kernel; None without one."""
    parent = os.environ.get("JPY_PARENT_PID")
    if parent is None:
        return None
    command = Path("/proc", parent, "cmdline")
    return command.read_text().split("\0")[0] if command.exists() else None


def _gpu() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that it loads is missing
        return Finding("GPU", f"PyTorch cannot be loaded ({error})", "problem", REINSTALL)

    driver = _driver()
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = f"{properties.total_memory / 2**30:.0f} GiB"
        return Finding("GPU", f"{properties.name}, {memory}, driver {driver}")
    if driver:
        return Finding(
            "GPU",
            f"driver {driver}, but PyTorch (for CUDA {torch.version.cuda}) cannot use it",
            "problem",
            "ask for a newer driver, or install a PyTorch build for this one (pytorch.org)",
        )
    return Finding("GPU", "none", "note", "use scale tiny or smoke, or run on a GPU node")


def _driver() -> str:
    """Return the version of NVIDIA's driver; empty without one."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout else ""
