"""The profile of a cluster: what its jobs must ask for (`configs/sites/`)."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from sweepserver.search.values import closest
from workshop.connection.credentials import API_KEY
from workshop.errors import WorkshopError
from workshop.files import and_more, expectation, expected, read_mapping
from workshop.paths import CONFIGS, shown
from workshop.run_agents.slurm.task_environment import is_foreign, is_secret

FOLDER = CONFIGS / "sites"

# Options of sbatch that are worked out from the sweep, not chosen, or that submit nothing.
_PLANNED = frozenset(
    {
        "array", "chdir", "dependency", "export", "export-file", "hold", "kill-on-invalid-dep",
        "output", "parsable", "test-only", "wait",
    }
)  # fmt: skip

# What the keys of a profile ask of sbatch, and how: its options, by their long names.
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
# Beside GPUs there may be other generic resources.
_SHARED = "gres"

# The variables that tell a task what the keys of its profile say.
_GIVEN = {
    "WORKSHOP_SETUP": "setup",
    "WORKSHOP_MODULES": "modules",
    "WORKSHOP_SCRATCH": "scratch",
    "WORKSHOP_IDLE_SECONDS": "idle_seconds",
    "WORKSHOP_START_JITTER": "start_jitter",
    "WORKSHOP_MAX_FAILURES": "max_failures",
}
# What a task has from elsewhere, so that a profile's value would not count.
_NOT_GIVEN = {name: f"which the key {key} says: use that" for name, key in _GIVEN.items()} | {
    "TMPDIR": "which the key scratch says: use that",
    "WANDB_DIR": "but each task has a folder of its own there: remove it",
    "WORKSHOP_BIN": "but tasks run the kit that they are submitted from: remove it",
    "WORKSHOP_HOME": (
        "but tasks have that of the shell which submits them, where `workshop status` looks as "
        "well: export it there"
    ),
    "WORKSHOP_RUNS_PER_TASK": "which `workshop submit --runs-per-task` says: remove it",
}


def is_planned(option: str) -> bool:
    """Say whether an option of sbatch is worked out from the sweep; sbatch takes it shortened."""
    return any(planned.startswith(option) for planned in _PLANNED)


def _matching(pattern: str, expected: str, *types: type) -> BeforeValidator:
    """Accept a value of some types (text alone by default) that matches, written out, as a whole.

    Otherwise the error says what is expected.
    """

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
                f"holds {name}, which looks like a secret, and SLURM stores a task's variables "
                "where others may read them: put it into a file that its program reads, or, if it "
                "is none, name it under `inherit` and export it in the shell that submits"
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
            raise _refused(f"holds {name}, which is worked out from the sweep: remove it")
        if name in _ASKED and name != _SHARED:
            raise _refused(f"holds {name}, which the key {_ASKED[name][0]} says: use that")
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
    """A cluster's profile; what it leaves out is as in `slurm/sweep_submission.slrm`."""

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

    at_once: int = Field(2, ge=1, description="tasks that run side by side")
    warning_seconds: int | None = Field(
        None, ge=1, le=65535, description="how long before its time limit a task is warned"
    )
    idle_seconds: int | None = Field(
        None, ge=1, description="a task whose agent gets no run for so long ends"
    )
    start_jitter: int | None = Field(
        None, ge=0, description="tasks start up to so many seconds late"
    )
    max_failures: int | None = Field(
        None, ge=0, description="failures in a row that end the array; 0: never"
    )

    def sbatch_options(self) -> dict[str, str | int | bool]:
        """Return what the profile asks of `sbatch`, by the long names of its options."""
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
        """Yield the lines by which a job that is no task, such as a JupyterLab, gets the same."""
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
        name: of a file in `configs/sites`, without `.yaml`, or the path of a file.

    Raises:
        WorkshopError: there is no such profile, it has an unknown key, or a value is wrong.
    """
    file = Path(name) if name.endswith(".yaml") or os.sep in name else FOLDER / f"{name}.yaml"
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if file.parent == FOLDER and not file.exists():
        raise WorkshopError(
            f"there is no site profile {name!r}{closest(name, known)}: choose one of "
            f"{', '.join(known)}, or copy {shown(FOLDER)}/example.yaml and fill it in"
        )
    try:
        return Site(**read_mapping(file))
    except ValidationError as error:
        raise WorkshopError(f"{shown(file)}: {_sentence(error.errors())}") from None


def _sentence(errors: Sequence[ErrorDetails]) -> str:
    """Word the first of pydantic's errors, and say how many more there are."""
    first = errors[0]
    key, *inner = map(str, first["loc"])
    if first["type"] == "extra_forbidden":
        problem = (
            f"{key} is no key of a site profile{closest(key, Site.model_fields)}: there are "
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
