"""`workshop lab`: JupyterLab on this machine, with the local W&B server running."""

import os
import subprocess
import sys
from collections.abc import Sequence

from workshop.connection import backend
from workshop.paths import NOTEBOOKS, ROOT
from workshop.run_agents import rehearsal

IP = {"--ip", "--ServerApp.ip"}


def open_lab(jupyter_options: Sequence[str]) -> int:
    """Open JupyterLab at the first notebook, and return its exit status when it ends.

    Args:
        jupyter_options: JupyterLab's own, such as `--no-browser`.
    """
    if not IP & {option.partition("=")[0] for option in jupyter_options}:
        # Jupyter would print two addresses; a browser that signed in at one isn't signed in at the
        # other, where links may lead.
        jupyter_options = ["--ServerApp.ip=127.0.0.1", *jupyter_options]
    command = [
        sys.executable, "-m", "jupyterlab", "--notebook-dir", str(ROOT),
        # On a shared machine, others could otherwise read the kernels' messages.
        "--KernelManager.transport_encryption=auto",
        "--ServerApp.jpserver_extensions=workshop.classroom.lab_links=True",
        "--ServerApp.jpserver_extensions=workshop.classroom.lab_news=True",
        "--ServerApp.contents_manager_class=workshop.classroom.lab_contents.LabContents",
        # If its output isn't a terminal, Jupyter would start login shells, which may reset `PATH`.
        f"--ServerApp.terminado_settings=shell_command={os.environ.get('SHELL') or '/bin/sh'}",
        str(NOTEBOOKS / "00_check_your_setup.ipynb"), *jupyter_options,
    ]  # fmt: skip
    with backend.session("local"), rehearsal.session(), subprocess.Popen(command) as jupyter:
        try:
            while True:
                try:
                    return jupyter.wait()
                except KeyboardInterrupt:
                    pass  # JupyterLab gets it as well, and asks whether to stop
        finally:
            jupyter.terminate()
