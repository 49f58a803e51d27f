"""The rehearsal cluster's folders, and the environment that leads SLURM's commands to it.

.workshop/cluster/     its configuration, key, logs, and the controller's state, which outlasts a
                       stop or a reboot of the machine
/tmp/workshop-cluster-USER-NUMBER/
                       sockets and spools, which need a local disk and short names
"""

import hashlib
import os
from pathlib import Path
from shlex import quote

from workshop.errors import WorkshopError
from workshop.paths import home
from workshop.run_agents.rehearsal.programs import Programs, find
from workshop.run_agents.slurm.task_environment import is_foreign


def folder() -> Path:
    """Return the cluster's permanent folder."""
    return home() / "cluster"


def configuration_file() -> Path:
    """Return the cluster's `slurm.conf`, to which `SLURM_CONF` points in its daemons and jobs."""
    return folder() / "slurm.conf"


def shell_file() -> Path:
    """Return the file that a shell sources to use the cluster, such as a task's (`setup`)."""
    return folder() / "environment.sh"


def machine_file() -> Path:
    """Return the file with the name of the machine on which the cluster is running."""
    return folder() / "machine"


def runtime_folder() -> Path:
    """Return the folder of sockets and spools."""
    number = hashlib.sha256(str(folder()).encode()).hexdigest()[:8]
    # Not $TMPDIR, which may be long, or deleted at the end of a session or a job.
    return Path("/tmp") / f"workshop-cluster-{os.geteuid()}-{number}"  # noqa: S108


def make_runtime_folder() -> Path:
    """Create the folder of sockets and spools, unless it exists.

    Raises:
        WorkshopError: somebody else owns it, or it cannot be created.
    """
    made = runtime_folder()
    try:
        made.mkdir(mode=0o700, exist_ok=True)
        found = made.lstat()
    except OSError as error:
        raise WorkshopError(
            f"the rehearsal cluster needs the local folder {made} for its sockets, but it cannot "
            f"be created ({error.strerror}): delete what is there, or make /tmp writable"
        ) from None
    if made.is_symlink() or found.st_uid != os.geteuid():
        raise WorkshopError(
            f"{made}, the folder for the rehearsal cluster's sockets, belongs to somebody else: "
            "have it deleted, or set WORKSHOP_HOME to another folder, which changes its name"
        )
    made.chmod(0o700)
    return made


def variables(programs: Programs | None = None) -> dict[str, str]:
    """Return the variables that lead SLURM's commands and daemons to the cluster.

    Args:
        programs: SLURM's programs, if they are already known.

    Raises:
        WorkshopError: SLURM's programs are missing.
    """
    paths = (programs or find()).search_paths(
        os.environ.get("PATH", os.defpath), os.environ.get("LD_LIBRARY_PATH", "")
    )
    return {"SLURM_CONF": str(configuration_file())} | paths


def environment(programs: Programs | None = None) -> dict[str, str]:
    """Return this process's environment with those variables, for a command, daemon or shell.

    Variables that another cluster's job has set are left out.

    Raises:
        WorkshopError: SLURM's programs are missing.
    """
    own = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return own | variables(programs)


def write_shell_file(programs: Programs) -> None:
    """Write the file that a shell sources to use the cluster.

    A task needs it because it is a login shell, which may reset `PATH`.
    """
    folders, _, more = programs.search_paths("$PATH", "")["PATH"].partition("$PATH")
    lines = [
        f"export SLURM_CONF={quote(str(configuration_file()))}",
        f'export PATH={quote(folders)}"$PATH"{quote(more)}',
    ]
    if programs.libraries:
        libraries = quote(os.pathsep.join(map(str, programs.libraries)))
        lines.append(f'export LD_LIBRARY_PATH={libraries}"${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"')
    shell_file().write_text("\n".join(lines) + "\n")
