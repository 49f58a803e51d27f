"""Where the rehearsal cluster keeps what it has, and how SLURM's commands reach it.

.workshop/cluster/     its configuration, key, logs, and the controller's state, which a stop
                       or a reboot of the machine does not end
/tmp/workshop-cluster-USER-NUMBER/
                       sockets and spools, which need a local disk and short names
"""

import hashlib
import os
from pathlib import Path
from shlex import quote

from workshop.errors import WorkshopError
from workshop.paths import home
from workshop.rehearsal.programs import Programs, find
from workshop.slurm.environment import is_foreign


def folder() -> Path:
    """Return the folder of what the cluster keeps."""
    return home() / "cluster"


def configuration_file() -> Path:
    """Return the cluster's `slurm.conf`, which its daemons and jobs have in `SLURM_CONF`."""
    return folder() / "slurm.conf"


def shell_file() -> Path:
    """Return the file that lets a shell reach the cluster, such as that of a task (`setup`)."""
    return folder() / "environment.sh"


def machine_file() -> Path:
    """Return the file that names the machine on which the cluster runs."""
    return folder() / "machine"


def runtime_folder() -> Path:
    """Return the folder of sockets and spools."""
    number = hashlib.sha256(str(folder()).encode()).hexdigest()[:8]
    # Not $TMPDIR, which may be long, or end with a session or a job.
    return Path("/tmp") / f"workshop-cluster-{os.geteuid()}-{number}"  # noqa: S108


def make_runtime_folder() -> Path:
    """Make the folder of sockets and spools, unless it is there.

    Raises:
        WorkshopError: somebody else has made it, or it cannot be made.
    """
    made = runtime_folder()
    try:
        made.mkdir(mode=0o700, exist_ok=True)
        found = made.lstat()
    except OSError as error:
        raise WorkshopError(
            f"the rehearsal cluster needs a local folder {made} for its sockets, which cannot be "
            f"made ({error.strerror}): delete what is in its place, or make /tmp writable"
        ) from None
    if made.is_symlink() or found.st_uid != os.geteuid():
        raise WorkshopError(
            f"{made}, where the rehearsal cluster has its sockets, belongs to somebody else: have "
            "it deleted, or set WORKSHOP_HOME to another folder, which changes its name"
        )
    made.chmod(0o700)
    return made


def variables(programs: Programs | None = None) -> dict[str, str]:
    """Return the variables with which SLURM's commands and daemons reach the cluster.

    Args:
        programs: SLURM's programs, if they are known already.

    Raises:
        WorkshopError: SLURM's programs are missing.
    """
    paths = (programs or find()).search_paths(
        os.environ.get("PATH", os.defpath), os.environ.get("LD_LIBRARY_PATH", "")
    )
    return {"SLURM_CONF": str(configuration_file())} | paths


def environment(programs: Programs | None = None) -> dict[str, str]:
    """Return this process's environment with those variables, for a command, daemon or shell.

    What a job of another cluster's has set stays away, if this process runs in one.

    Raises:
        WorkshopError: SLURM's programs are missing.
    """
    own = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return own | variables(programs)


def write_shell_file(programs: Programs) -> None:
    """Write the file that lets a shell reach the cluster.

    A task is a login shell, which may set `PATH` anew.
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
