"""Python, the notebook's kernel and server, the packages, the processors and the GPU."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from workshop.preflight.finding import Finding
from workshop.threads import available_cpus

PACKAGES = ("wandb", "torch", "torchvision", "jupyterlab", "papermill")

# What JupyterLab needs to show a widget; ipywidgets in the kernel says which version of it.
_WIDGET_MANAGER = "jupyterlab_widgets"


def findings() -> Iterator[Finding]:
    """Look at everything that does not depend on a server or a cluster."""
    yield Finding("Python", f"{platform.python_version()} ({Path(sys.prefix).name})")
    yield from _packages()
    yield _widgets()
    yield Finding("CPUs for this process", str(available_cpus()))
    yield _gpu()


def _packages() -> Iterator[Finding]:
    for package in PACKAGES:
        try:
            yield Finding(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                package, "not installed", "problem", "choose the kernel of this kit's environment"
            )


def _widgets() -> Finding:
    """Compare the widgets of this kernel with those of the server that shows them.

    They are two environments on most hubs; if they do not fit, a widget is the text `model not
    found`.
    """
    wanted = next(
        requirement.specifier
        for requirement in map(Requirement, importlib.metadata.requires("ipywidgets") or [])
        if requirement.name == _WIDGET_MANAGER
    )
    kernel = f"ipywidgets {importlib.metadata.version('ipywidgets')}"
    server = _server_python()
    if server is None:
        return Finding("widgets", f"{kernel}; this is no notebook of JupyterLab")
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
        f"ask for {_WIDGET_MANAGER}{wanted} there; until then use the line of plain Python that "
        "is given beside each widget",
    )


def _server_python() -> str | None:
    """Return the interpreter of the Jupyter server that started this kernel, None without one."""
    parent = os.environ.get("JPY_PARENT_PID")
    if parent is None:
        return None
    command = Path("/proc", parent, "cmdline")
    return command.read_text().split("\0")[0] if command.exists() else None


def _gpu() -> Finding:
    import torch

    driver = _driver()
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        memory = f"{properties.total_memory / 2**30:.0f} GiB"
        return Finding("GPU", f"{properties.name}, {memory}, driver {driver}")
    if driver:
        return Finding(
            "GPU",
            f"driver {driver} is there, but PyTorch (for CUDA {torch.version.cuda}) cannot use it",
            "problem",
            "ask for a newer driver, or install the PyTorch for this one (pytorch.org)",
        )
    return Finding("GPU", "none", "note", "stay with scale smoke, or run on a GPU node")


def _driver() -> str:
    """Return the version of NVIDIA's driver, empty if it does not answer."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout else ""
