"""The workshop on JupyterHub: what a participant's JupyterLab finds, and how SLURM starts it.

`deploy/jupyterhub/` holds the hub's configuration, and what it starts for a participant, who works
in a copy of the kit of their own (`workshop.classroom.copies`).
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

# How a task of an array is warned before its end, which would end a JupyterLab.
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
        # Else a kernel of the same name in the participant's home folder would go first.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }  # fmt: skip


def job_script(site: Site) -> str:
    """Return the batch script that starts a JupyterLab, as a template for `SlurmSpawner`.

    Args:
        site: the profile of the cluster.

    Raises:
        WorkshopError: a value has braces that mean something else in a template.
    """
    options = {key: value for key, value in site.sbatch_options().items() if key != _FOR_TASKS}
    # sbatch takes quotes as a shell does.
    asked = (f"#SBATCH {quote(word)}" for word in words(options))
    chosen = [*asked, "", *site.shell_lines()]
    if unfit := [line for line in chosen if any(mark in line for mark in ("{{", "{%", "{#"))]:
        raise WorkshopError(
            f"the site profile leads to the line {unfit[0]!r}, in which the hub would replace the "
            "braces: write it without them"
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
