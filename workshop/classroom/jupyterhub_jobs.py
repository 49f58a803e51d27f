"""The workshop on JupyterHub: the environment and the SLURM job of a participant's JupyterLab.

`deploy/jupyterhub/` has the hub's configuration, and the program that it starts for a participant,
who works in their own copy of the kit (`workshop.classroom.copies`).
"""

import os
from pathlib import Path
from shlex import quote

from workshop.classroom import copies
from workshop.errors import WorkshopError
from workshop.run_agents.slurm.site import Site
from workshop.run_agents.slurm.submission import words

WORK_FOLDER = Path("~/sweep-workshop")
"""A participant's copy of the kit."""

# The warning before a task's time limit, which would end a JupyterLab.
_FOR_TASKS = "signal"


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a JupyterLab, its kernels and terminals.

    Args:
        folder: the participant's copy of the kit.
    """
    own = copies.environment(folder)
    path = os.pathsep.join([own["PATH"], os.environ.get("PATH", os.defpath)])
    return os.environ | own | {
        "PATH": path,
        "WORKSHOP_HOME": str(folder / ".workshop"),
        # Otherwise a kernel of the same name in the participant's home folder would win.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }  # fmt: skip


def job_script(site: Site) -> str:
    """Return the batch script that starts a JupyterLab, as a template for `SlurmSpawner`.

    Args:
        site: the profile of the cluster.

    Raises:
        WorkshopError: a value has braces, which have a meaning in a template.
    """
    options = {key: value for key, value in site.sbatch_options().items() if key != _FOR_TASKS}
    # sbatch understands quotes like a shell.
    asked = (f"#SBATCH {quote(word)}" for word in words(options))
    chosen = [*asked, "", *site.shell_lines()]
    if unfit := [line for line in chosen if any(mark in line for mark in ("{{", "{%", "{#"))]:
        raise WorkshopError(
            f"the site profile produces the line {unfit[0]!r}, in which the hub would replace the "
            "braces: write it without braces"
        )
    return "\n".join(
        [
            "#!/bin/bash --login",
            "#SBATCH --job-name=jupyterlab",
            "#SBATCH --chdir={{homedir}}",
            "#SBATCH --output={{homedir}}/.jupyterlab-%j.log",
            "#SBATCH --no-requeue",
            "#SBATCH --export={{keepvars}}",
            *chosen,
            "exec {{cmd}}",
            "",
        ]
    )
