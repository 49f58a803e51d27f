"""The kit as a kernel of a JupyterLab that is already there, on a JupyterHub or Open OnDemand.

Somebody else's JupyterLab finds the kernels that are registered in a user's folder, and starts
each in the environment that it names.
"""

from pathlib import Path

from ipykernel.kernelspec import install
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_data_dir

from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown

NAME = "sweep-workshop"
TITLE = "Sweep Workshop"


def register(prefix: Path | None = None) -> Path:
    """Register the Python of this process with this copy of the kit as a kernel.

    Args:
        prefix: of the environment whose JupyterLab is to find it, for all who use that one;
            the user's own folder if not given.

    Returns:
        The kernel's folder.

    Raises:
        WorkshopError: the folder cannot be written.
    """
    folder = _folder(prefix)
    try:
        install(
            user=prefix is None,
            prefix=str(prefix) if prefix else None,
            kernel_name=NAME,
            display_name=TITLE,
            # A copy of the kit goes before the one that is installed.
            env={"PYTHONPATH": str(ROOT)},
        )
    except OSError as error:
        raise WorkshopError(
            f"{shown(folder)} cannot be written ({error.strerror}): name an environment of yours, "
            "--prefix FOLDER"
        ) from None
    return folder


def remove(prefix: Path | None = None) -> Path:
    """Remove the kernel again; return the folder where it was.

    Raises:
        WorkshopError: there is none.
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
