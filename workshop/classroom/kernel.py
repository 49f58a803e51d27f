"""Register the kit as a kernel of an existing JupyterLab, on a JupyterHub or Open OnDemand.

A JupyterLab finds the kernels that are registered in a user's folder, and starts each in its own
environment.
"""

from pathlib import Path

from ipykernel.kernelspec import install
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_data_dir

from workshop import files
from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown

NAME = "sweep-workshop"
TITLE = "Sweep Workshop"


def register(prefix: Path | None = None) -> Path:
    """Register this process's Python, with this copy of the kit, as a kernel.

    Args:
        prefix: the environment whose JupyterLab should have the kernel, for all its users; by
            default the user's own folder.

    Returns:
        The kernel's folder.

    Raises:
        WorkshopError: the folder cannot be written.
    """
    folder = _folder(prefix)
    with files.writing(folder, "give an environment of yours, --prefix FOLDER"):
        install(
            user=prefix is None,
            prefix=str(prefix) if prefix else None,
            kernel_name=NAME,
            display_name=TITLE,
            # A copy of the kit takes precedence over an installed one.
            env={"PYTHONPATH": str(ROOT)},
        )
    return folder


def remove(prefix: Path | None = None) -> Path:
    """Remove the kernel; return the folder where it was.

    Raises:
        WorkshopError: no kernel is registered.
    """
    folder = _folder(prefix)
    manager = KernelSpecManager(kernel_dirs=[str(folder.parent)], ensure_native_kernel=False)
    try:
        manager.remove_kernel_spec(NAME)
    except KeyError:
        raise WorkshopError(f"no kernel {NAME!r} is registered in {shown(folder.parent)}") from None
    return folder


def _folder(prefix: Path | None) -> Path:
    data = prefix.resolve() / "share/jupyter" if prefix else Path(jupyter_data_dir())
    return data / "kernels" / NAME
