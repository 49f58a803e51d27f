"""A site: the profile of a cluster (`configs/sites/`), and its SLURM.

A profile says what jobs must ask for.  A site's SLURM is the one that this process's environment
leads to, or the rehearsal cluster's.  This is the only module of the package that knows about
`workshop.run_agents.rehearsal`.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sweepserver.search.values import closest
from workshop.connection.credentials import API_KEY
from workshop.errors import WorkshopError, and_more, expectation, expected
from workshop.files import read_mapping
from workshop.paths import CONFIGS, shown
from workshop.run_agents.slurm import journal
from workshop.run_agents.slurm.task_environment import is_foreign, is_secret

FOLDER = CONFIGS / "sites"

REHEARSAL = "rehearsal"
"""The site whose cluster is this machine's own, which `workshop cluster` starts and stops."""

# Options of sbatch that follow from the sweep, or that submit nothing, so nobody chooses them.
_PLANNED = frozenset(
    {
        "array", "chdir", "dependency", "export", "export-file", "hold", "kill-on-invalid-dep",
        "output", "parsable", "test-only", "wait",
    }
)  # fmt: skip

# sbatch's options by their long names, with the profile's key and the format of its value.
_ASKED = {
    "partition": ("partition", "{}"),
    "account": ("account", "{}"),
    "qos": ("qos", "{}"),
    "time": ("time", "{}"),
    "mem": ("memory", "{}"),
    "cpus-per-task": ("cpus", "{}"),
    "gres": ("gpus", "gpu:{}"),
    "signal": ("warning_seconds", "B:USR1@{}"),
}
# The option for GPUs can also ask for other generic resources.
_SHARED = "gres"

# The variables through which a task gets its profile's keys.
_GIVEN = {
    "WORKSHOP_SETUP": "setup",
    "WORKSHOP_MODULES": "modules",
    "WORKSHOP_SCRATCH": "scratch",
    "WORKSHOP_IDLE_SECONDS": "idle_seconds",
    "WORKSHOP_START_JITTER": "start_jitter",
    "WORKSHOP_MAX_FAILURES": "max_failures",
}
# Variables that a task gets from elsewhere, so that a profile's value would have no effect.
_NOT_GIVEN = {name: f"which the key {key} sets: use that key" for name, key in _GIVEN.items()} | {
    "TMPDIR": "which the key scratch sets: use that key",
    "WANDB_DIR": "but each task has its own folder there: remove it",
    "WORKSHOP_BIN": "but tasks run the kit that they are submitted from: remove it",
    "WORKSHOP_HOME": (
        "but tasks use the one of the shell that submits them, as `workshop status` does: export "
        "it there"
    ),
    "WORKSHOP_RUNS_PER_TASK": "which `workshop submit --runs-per-task` sets: remove it",
}


def is_planned(option: str) -> bool:
    """Return whether an option of sbatch, which may be shortened, follows from the sweep."""
    return any(planned.startswith(option) for planned in _PLANNED)


def _matching(pattern: str, expected: str, *types: type) -> BeforeValidator:
    """Return a validator: the value must be of these types (text by default) and match as text."""

    def check(value: Any) -> Any:
        if type(value) not in (types or (str,)) or not re.fullmatch(pattern, str(value), re.ASCII):
            raise PydanticCustomError("form", "Input should be {expected}", {"expected": expected})
        return value

    return BeforeValidator(check)


def _inheritable(environment: dict[str, Any]) -> dict[str, Any]:
    for name, value in environment.items():
        if reason := _NOT_GIVEN.get(name):
            raise _refused(f"holds {name}, {reason}")
        if is_foreign(name):
            raise _refused(f"holds {name}, which tasks must not inherit: remove it")
        if is_secret(name, str(value)):
            raise _refused(
                f"holds {name}, which looks like a secret, and others may read the variables that "
                "SLURM stores: put it into a file that your program reads, or, if it isn't a "
                "secret, add it to `inherit` and export it in the shell that submits"
            )
    return environment


def _passed_on(names: list[str]) -> list[str]:
    for name in names:
        if is_foreign(name):
            raise _refused(f"holds {name}, which tasks must not inherit: remove it")
        if name == API_KEY:
            raise _refused(f"holds {name}, but tasks read the key from the netrc file: remove it")
    return names


def _free(options: dict[str, Any]) -> dict[str, Any]:
    for name in options:
        if is_planned(name):
            raise _refused(f"holds {name}, which follows from the sweep: remove it")
        if name in _ASKED and name != _SHARED:
            raise _refused(f"holds {name}, which the key {_ASKED[name][0]} sets: use that key")
    return options


def _refused(problem: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{problem}", {"problem": problem})


ONE_LINE = r"[^\x00-\x1f\x7f]*"
"""The form of a value of sbatch or of a variable."""
OPTION = r"[a-z][a-z0-9-]*"
"""The form of a long name of sbatch's options."""

Word = Annotated[str, _matching(r"[^\s\x00-\x1f\x7f]+", "one word without spaces, as text")]
# In YAML 1.1, 2:00:00 without quotes is the number 7200, which SLURM would read as minutes.
Time = Annotated[
    str, _matching(r"(\d+-)?\d+(:\d+){0,2}", 'a time as SLURM writes it, in quotes: "02:00:00"')
]
Memory = Annotated[str, _matching(r"\d+[KMGT]?", "a number with K, M, G or T, as text: 16G")]
Gpus = Annotated[
    str | int,
    _matching(r"\d+|[\w.-]+(:\d+)?", "a number of GPUs, or one with their type: a100:1", str, int),
]
File = Annotated[str, _matching(rf"/{ONE_LINE}", "the absolute path of a file")]
Scratch = Annotated[
    str, _matching(rf"/{ONE_LINE}|[A-Za-z_]\w*", "an absolute path, or the name of a variable")
]
Module = Annotated[str, _matching(r"[^\s*?\[\]\x00-\x1f\x7f]+", "the name of a module, as text")]
Name = Annotated[str, _matching(r"[A-Za-z_]\w*", "letters, digits and _, no digit first")]
Value = Annotated[
    str | int | float, _matching(ONE_LINE, "text of one line, or a number", str, int, float)
]
Option = Annotated[str, _matching(OPTION, "the long name of an option of sbatch: cpus-per-task")]
Choice = Annotated[
    str | int | bool,
    _matching(ONE_LINE, "text of one line, a number, true or false", str, int, bool),
]
Environment = Annotated[dict[Name, Value], AfterValidator(_inheritable)]
Names = Annotated[list[Name], AfterValidator(_passed_on)]
Options = Annotated[dict[Option, Choice], AfterValidator(_free)]


class Site(BaseModel):
    """A cluster's profile; the defaults are those of `slurm/sweep_submission.slrm`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    partition: Word | None = Field(None, description="the queue")
    account: Word | None = Field(None, description="who pays")
    qos: Word | None = Field(None, description="quality of service")
    time: Time | None = Field(None, description='longest time of a task, "HH:MM:SS"')
    memory: Memory | None = Field(None, description="main memory of a task, 8G")
    cpus: int | None = Field(None, ge=1, description="CPUs of a task")
    gpus: Gpus | None = Field(None, description="GPUs of a task: 1, or a100:1")
    options: Options = Field({}, description="other options of sbatch")

    setup: File | None = Field(None, description="shell file that a task sources first")
    modules: list[Module] = Field([], description="modules that a task loads, in this order")
    scratch: Scratch | None = Field(
        None, description="folder for temporary files, or the variable that names it"
    )
    environment: Environment = Field({}, description="variables that a task gets")
    inherit: Names = Field([], description="variables passed on although they look like secrets")

    at_once: int = Field(2, ge=1, description="most tasks that run at once")
    warning_seconds: int | None = Field(
        None, ge=1, le=65535, description="how long before its time limit a task is warned"
    )
    idle_seconds: int | None = Field(
        None, ge=1, description="timeout in seconds for a task whose agent gets no run"
    )
    start_jitter: int | None = Field(
        None, ge=0, description="each task starts up to this many seconds late"
    )
    max_failures: int | None = Field(
        None, ge=0, description="failures in a row that end the array; 0: never"
    )

    def sbatch_options(self) -> dict[str, str | int | bool]:
        """Return the profile's options for `sbatch`, by their long names."""
        values = {option: getattr(self, key) for option, (key, _) in _ASKED.items()}
        asked = {
            option: _ASKED[option][1].format(value) for option, value in values.items() if value
        }
        both = [found for found in (asked.get(_SHARED), self.options.get(_SHARED)) if found]
        return asked | self.options | ({_SHARED: ",".join(map(str, both))} if both else {})

    def variables(self) -> dict[str, str]:
        """Return the variables that the profile gives to tasks."""
        said = {name: getattr(self, key) for name, key in _GIVEN.items()}
        said["WORKSHOP_MODULES"] = " ".join(self.modules) or None
        given = self.environment | said
        return {name: str(value) for name, value in given.items() if value is not None}

    def shell_lines(self) -> Iterator[str]:
        """Yield the shell lines that set up another job, such as a JupyterLab, like a task."""
        if self.setup:
            yield f"source {quote(self.setup)} || exit"
        for module in self.modules:
            yield f"module load {quote(module)} || exit"
        if self.scratch:
            is_path = self.scratch.startswith("/")
            yield f"export TMPDIR={quote(self.scratch) if is_path else f'${self.scratch}'}"
        for name, value in self.environment.items():
            yield f"export {name}={quote(str(value))}"


def load(name: str = "generic") -> Site:
    """Read a profile.

    Args:
        name: the name of a file in `configs/sites`, without `.yaml`, or a path.

    Raises:
        WorkshopError: there is no such profile, it has an unknown key, or a value is wrong.
    """
    file = Path(name) if name.endswith(".yaml") or os.sep in name else FOLDER / f"{name}.yaml"
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if file.parent == FOLDER and not file.exists():
        raise WorkshopError(
            f"there is no site profile {name!r}{closest(name, known)}: use one of "
            f"{', '.join(known)}, or write one with `workshop site new {name}`"
        )
    try:
        return Site(**read_mapping(file))
    except ValidationError as error:
        raise WorkshopError(f"{shown(file)}: {_sentence(error.errors())}") from None


def cluster_variables(name: str) -> dict[str, str]:
    """Return the variables that lead SLURM's commands, and tasks, to a site's cluster.

    Only the rehearsal cluster has any.

    Raises:
        WorkshopError: it is the rehearsal cluster, and SLURM's programs are missing.
    """
    if not is_rehearsal(name):
        return {}
    from workshop.run_agents.rehearsal import places

    # A task is a login shell, which resets PATH; the file that it sources first adds to it.
    return places.variables() | {"WORKSHOP_SETUP": str(places.shell_file())}


def start_cluster(name: str, show: Callable[[str], object]) -> dict[str, str]:
    """Start a site's cluster if it is the rehearsal cluster; return its variables.

    Raises:
        WorkshopError: it does not come up.
    """
    if is_rehearsal(name):
        from workshop.run_agents.rehearsal import cluster

        cluster.start(show)
    return cluster_variables(name)


def cluster_environment(name: str) -> dict[str, str]:
    """Return the environment for SLURM's commands on a site's cluster.

    Raises:
        WorkshopError: it is the rehearsal cluster, which is not running.
    """
    if not is_rehearsal(name):
        return dict(os.environ)
    from workshop.run_agents.rehearsal import cluster, places

    cluster.check_running()
    return places.environment()


def array_environment(job_id: str) -> dict[str, str]:
    """Return the environment for SLURM's commands on the cluster that an array was submitted to.

    Raises:
        WorkshopError: that was the rehearsal cluster, which is not running.
    """
    return cluster_environment(str(journal.recorded(job_id).get("site", "")))


def is_rehearsal(name: str) -> bool:
    """Return whether a site, given by name or by profile file, is the rehearsal cluster."""
    return Path(name).stem == REHEARSAL


def _sentence(errors: Sequence[ErrorDetails]) -> str:
    """Return the first of pydantic's errors as a sentence, with the number of further ones."""
    first = errors[0]
    key, *inner = map(str, first["loc"])
    if first["type"] == "extra_forbidden":
        problem = (
            f"a site profile has no key {key}{closest(key, Site.model_fields)}: use one of "
            f"{', '.join(Site.model_fields)}"
        )
    elif first["type"] == "refused":
        problem = f"{key} {first['msg']}"
    elif inner[1:] == ["[key]"]:
        problem = f"a name in {key} {expectation(first)}"
    elif key == "environment" and inner:  # the value may be a secret
        problem = f"{key}.{inner[0]} must be {expected(first)}"
    else:
        problem = f"{'.'.join([key, *inner])} {expectation(first)}"
    return problem + and_more(errors)
