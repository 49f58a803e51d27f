"""What the tasks of an array inherit from the process that submits it, and what not."""

import os
import re
from collections.abc import Mapping

from workshop import mode
from workshop.credentials import find_key, netrc_file, server_url
from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown

# What a task must not take over from the shell, notebook or job that it is submitted from:
_FOREIGN = re.compile(
    # options and facts of a job around it, which would change the request or mislead MPI;
    r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC)_.*|PMI.*"
    # the key, which SLURM would store with the job; the run and the service of this process;
    r"|WANDB_(API_KEY|SERVICE|RUN_ID|SWEEP_ID|SWEEP_PARAM_PATH)"
    # the share of this machine that an agent here has.
    r"|WORKSHOP_AGENTS"
)
# This one tells SLURM's own commands where the cluster is.
_NEEDED = "SLURM_CONF"


def is_foreign(name: str) -> bool:
    """Say whether tasks must not inherit the variable of this name."""
    return bool(_FOREIGN.fullmatch(name)) and name != _NEEDED


def scrubbed() -> tuple[dict[str, str], list[str]]:
    """Return this process's environment without what is foreign to tasks, and what that was."""
    removed = sorted(filter(is_foreign, os.environ))
    return {name: value for name, value in os.environ.items() if name not in removed}, removed


def check_mode(environment: Mapping[str, str]) -> None:
    """See whether the runs of tasks with this environment reach their server.

    Raises:
        WorkshopError: they do not.
    """
    mode.check(mode.find(environment, ROOT))


def check_key(environment: Mapping[str, str]) -> None:
    """See whether tasks with this environment find a key for their server.

    Raises:
        WorkshopError: they do not, or others may read the file with it.
    """
    url = server_url(environment)
    key = find_key(url, environment)
    if key is None:
        raise WorkshopError(
            f"the tasks would have no key for {url}: they get it from "
            f"{shown(netrc_file(environment))} alone, since SLURM keeps a job's variables where "
            f"others may read them; run `wandb login --host {url}` once, which stores the key there"
        )
    if key.is_open_to_others:
        raise WorkshopError(
            f"the key in {shown(key.file)} can be read by others, who could write to your runs: "
            f"run `chmod 600 {shown(key.file)}`"
        )
