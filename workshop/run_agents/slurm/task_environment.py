"""The environment that an array's tasks inherit from the process that submits it."""

import os
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from workshop.connection import mode
from workshop.connection.credentials import find_key, netrc_file, server_url
from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown, typed

# Variables that a task must not inherit from the shell, notebook or job that submits it:
_FOREIGN = re.compile(
    # options and facts of a job around it, which would change the request or mislead MPI;
    r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC)_.*|PMI.*"
    # the run and the service of this process;
    r"|WANDB_(SERVICE|RUN_ID|SWEEP_ID|SWEEP_PARAM_PATH)"
    # the share of this machine that an agent here has.
    r"|WORKSHOP_AGENTS"
)
# The exception: it tells SLURM's own commands where the cluster is.
_NEEDED = "SLURM_CONF"

# Names of secrets: by a word in the name, as in JUPYTERHUB_API_TOKEN, AWS_SECRET_ACCESS_KEY or
# GOOGLE_APPLICATION_CREDENTIALS, or by its ending, as in PGPASSWORD or MYSQL_PWD.
_SECRET_NAME = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|API_?KEY|KEY|CREDENTIAL|COOKIE|JWT|PAT"
    r"|DSN|AUTH|CONNECTION_STRING|BEARER|WEBHOOK|SAS|PW)S?(_|$)"
    r"|(TOKEN|SECRET|PASSWORD|PASSWD|SSHPASS|USERPASS|(API|ACCESS|SECRET|PRIVATE)KEY|_PWD|[^_]PW)$",
    re.IGNORECASE,
)
# A URL with a password, such as a proxy's or a database's, or with a token before its host.
_SECRET_URL = re.compile(r"https?://[^/\s@]+@|://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE)
# Values that are secrets under any name: a private key, the key in a connection string, and
# anything that looks like a token of AWS, GitHub, GitLab, Hugging Face, OpenAI, Slack or this kit's
# server, or like a JSON Web Token.
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|(Account|Access)Key=\S"
    r"|^(A[KS]IA[0-9A-Z]{16}|gh[a-z]_\w{30}|github_pat_\w{20}|glpat-[\w-]{20}|hf_\w{30}"
    r"|sk-[\w-]{20}|xox[a-z]-[\w-]{10}|eyJ[\w-]{8,}\.eyJ[\w-]+\.|local-[0-9a-f]{40})[\w.-]*$"
)


class Inherited(NamedTuple):
    """The environment that tasks inherit.

    Attributes:
        variables: this process's environment, without what was removed.
        removed: the names of the variables that were removed.
        secrets: those of them that look like secrets.
    """

    variables: dict[str, str]
    removed: list[str]
    secrets: list[str]


def is_foreign(name: str) -> bool:
    """Return whether a variable belongs to this process or its job, and must not reach a task."""
    return bool(_FOREIGN.fullmatch(name)) and name != _NEEDED


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable looks like a secret.

    Tasks must not inherit secrets: SLURM stores a job's variables, and others may read them.
    """
    return any(
        pattern.search(text)
        for pattern, text in (
            (_SECRET_NAME, name),
            (_SECRET_URL, value),
            (_SECRET_VALUE, value),
        )
    )


def scrubbed(inherit: Collection[str] = ()) -> Inherited:
    """Return the environment that tasks inherit from this process.

    Args:
        inherit: names of variables to pass on although they look like secrets.
    """
    secrets = sorted(
        name
        for name, value in os.environ.items()
        if is_secret(name, value) and name not in inherit and not is_foreign(name)
    )
    removed = sorted([*filter(is_foreign, os.environ), *secrets])
    variables = {name: value for name, value in os.environ.items() if name not in removed}
    return Inherited(variables, removed, secrets)


def check_mode(environment: Mapping[str, str]) -> None:
    """Check that runs of tasks with this environment are sent to their server.

    Raises:
        WorkshopError: they would not be.
    """
    mode.check(mode.find(environment, ROOT))


def check_key(environment: Mapping[str, str]) -> None:
    """Check that tasks with this environment find a key for their server.

    Raises:
        WorkshopError: they would not, or others may read the key's file.
    """
    url = server_url(environment)
    key = find_key(url, environment)
    if key is None:
        raise WorkshopError(
            f"the tasks would have no key for {url}: run `wandb login --host {url}` once, which "
            f"stores it in {shown(netrc_file(environment))} (tasks don't get a key from a "
            "variable, because others may read the variables that SLURM stores)"
        )
    if key.file and key.is_open_to_others:
        raise WorkshopError(
            f"the key in {shown(key.file)} can be read by others, who could write to your runs: "
            f"run `chmod 600 {typed(key.file)}`"
        )
