"""What the tasks of an array inherit from the process that submits it, and what not."""

import os
import re
from collections.abc import Mapping

from workshop.credentials import ACCOUNT_URL, is_open_to_others, login, netrc_file
from workshop.errors import WorkshopError
from workshop.paths import shown

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


def check_key(environment: Mapping[str, str]) -> None:
    """See whether tasks with this environment find a key for their server.

    Raises:
        WorkshopError: they do not, or others may read the file with it.
    """
    url = environment.get("WANDB_BASE_URL", ACCOUNT_URL)
    file = netrc_file(environment)
    if not login(file, url):
        raise WorkshopError(
            f"the tasks would have no key for {url}: they get it from {shown(file)} alone, since "
            "SLURM keeps a job's variables where others may read them; run "
            f"`wandb login --host {url}` once, which stores the key there"
        )
    if is_open_to_others(file):
        raise WorkshopError(
            f"the key in {shown(file)} can be read by others, who could write to your runs: run "
            f"`chmod 600 {shown(file)}`"
        )
