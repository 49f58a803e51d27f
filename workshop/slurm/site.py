"""The profile of a cluster: what its jobs must ask for (`configs/sites/`)."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from workshop.config import closest, expectation, read_mapping
from workshop.errors import WorkshopError
from workshop.paths import CONFIGS, shown
from workshop.slurm.environment import is_foreign

FOLDER = CONFIGS / "sites"

# Options of sbatch that are worked out from the sweep, not chosen.
PLANNED = frozenset(
    {"array", "chdir", "dependency", "export", "hold", "kill-on-invalid-dep", "output", "parsable"}
)


def _inheritable(environment: dict) -> dict:
    for name in environment:
        if is_foreign(name):
            raise PydanticCustomError(
                "refused", f"holds {name}, which tasks must not inherit: remove it"
            )
    return environment


def _free(options: dict) -> dict:
    for name in options:
        if name in PLANNED:
            raise PydanticCustomError(
                "refused", f"holds {name}, which is worked out from the sweep: remove it"
            )
    return options


Text = Annotated[str, Field(min_length=1)]
# In YAML 1.1, 2:00:00 without quotes is the number 7200, which SLURM would read as minutes.
Time = Annotated[str, Field(pattern=r"^(\d+-)?\d+(:\d+){0,2}$")]
Memory = Annotated[str, Field(pattern=r"^\d+[KMGT]?$")]
Environment = Annotated[dict[str, str | int | float], AfterValidator(_inheritable)]
Options = Annotated[dict[str, str | int | bool], AfterValidator(_free)]


class Site(BaseModel):
    """A cluster's profile; what it leaves out is as in `slurm/sweep_submission.slrm`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    partition: Text | None = Field(None, description="the queue")
    account: Text | None = Field(None, description="who pays")
    qos: Text | None = Field(None, description="quality of service")
    time: Time | None = Field(None, description='longest time of a task, "HH:MM:SS"')
    memory: Memory | None = Field(None, description="main memory of a task, 8G")
    cpus: int | None = Field(None, ge=1, description="CPUs of a task")
    gpus: Text | int | None = Field(None, description="GPUs of a task: 1, or a100:1")
    options: Options = Field({}, description="other options of sbatch")

    modules: list[Text] = Field([], description="modules that a task loads, in this order")
    environment: Environment = Field({}, description="variables that a task gets")

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
        asked = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "time": self.time,
            "mem": self.memory,
            "cpus-per-task": self.cpus,
            "gres": self.gpus and f"gpu:{self.gpus}",
            "signal": self.warning_seconds and f"B:USR1@{self.warning_seconds}",
        }
        return {name: value for name, value in asked.items() if value} | self.options

    def variables(self) -> dict[str, str]:
        """Return the variables that the profile gives to tasks."""
        given = self.environment | {
            "WORKSHOP_MODULES": " ".join(self.modules) or None,
            "WORKSHOP_IDLE_SECONDS": self.idle_seconds,
            "WORKSHOP_START_JITTER": self.start_jitter,
            "WORKSHOP_MAX_FAILURES": self.max_failures,
        }
        return {name: str(value) for name, value in given.items() if value is not None}


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
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            problem = (
                f"{key} is no key of a site profile{closest(key, Site.model_fields)}: there are "
                f"{', '.join(Site.model_fields)}"
            )
        elif first["type"] == "refused":
            problem = f"{key} {first['msg']}"
        else:
            problem = f"{'.'.join(map(str, first['loc']))} {expectation(first)}"
        raise WorkshopError(f"{shown(file)}: {problem}") from None
