"""The environment variables that the kit reads: what each is for, its type, and its default.

They are read whenever one is needed, because an instructor, a hub, a site profile or a test may
set one while this process runs.  `docs/settings.md` lists them all.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workshop.errors import WorkshopError, and_more, expectation

PREFIX = "WORKSHOP_"


class Settings(BaseSettings):
    """The settings of this process; a setting's variable is `PREFIX` and its name in capitals.

    An array task gets its settings from a site profile and from `workshop submit`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore"
    )

    home: Annotated[
        Path | None,
        Field(
            description="the folder for everything that the kit writes; `.workshop` in the clone "
            "by default. On a cluster it must be on a file system that all nodes share"
        ),
    ] = None
    port: Annotated[
        int, Field(ge=1, le=65535, description="the local server's port, if it is free")
    ] = 8517
    agents: Annotated[
        PositiveInt, Field(description="how many trainers share this process's CPUs")
    ] = 1
    proxy_prefix: Annotated[
        str, Field(description="the address of a Jupyter server behind a proxy, as browsers see it")
    ] = ""
    proxy_host: Annotated[
        str, Field(description="the host name that such a proxy puts into forwarded requests")
    ] = ""
    hub_url: Annotated[str, Field(description="JupyterHub's address, as participants type it")] = (
        "http://127.0.0.1:8000"
    )
    site: Annotated[
        str,
        Field(
            description="the site profile with which JupyterHub starts each JupyterLab as a job; "
            "without one, they run on the hub's machine"
        ),
    ] = ""
    bin: Annotated[
        str,
        Field(
            description="the folder of a task's `wandb` and `python`; `.venv/bin` in the clone by "
            "default"
        ),
    ] = ""
    setup: Annotated[str, Field(description="a file that a task sources first")] = ""
    modules: Annotated[str, Field(description="the modules that a task loads")] = ""
    scratch: Annotated[
        str,
        Field(
            description="a task's folder for temporary files, or the variable that names it; "
            "by default `SLURM_TMPDIR` if it is set, else `/tmp`"
        ),
    ] = ""
    runs_per_task: Annotated[
        PositiveInt | Literal["all"], Field(description="how many runs a task does, or `all`")
    ] = 1
    start_jitter: Annotated[
        NonNegativeInt,
        Field(description="each task starts up to this many seconds late, to spread the load"),
    ] = 10
    idle_seconds: Annotated[
        PositiveFloat,
        Field(description="timeout in seconds for a task without a run, or without an answer"),
    ] = 600
    max_failures: Annotated[
        NonNegativeInt,
        Field(description="how many failures in a row cancel the rest of an array; 0: never"),
    ] = 3


_READ: dict[tuple[tuple[str, str], ...], Settings] = {}
"""The cache of the last settings, by the variables that they were read from.  Reading takes 20
times as long as checking that nothing has changed."""


def settings() -> Settings:
    """Return the current settings.

    Raises:
        WorkshopError: A variable has an invalid value.
    """
    variables = _variables()
    if known := _READ.get(variables):
        return known
    try:
        found = Settings()
    except ValidationError as error:
        errors = error.errors()
        name = f"{PREFIX}{errors[0]['loc'][0]}".upper()
        raise WorkshopError(
            f"the environment variable {name} {expectation(errors[0])}{and_more(errors)}"
        ) from None
    if variables == _variables():  # no other thread has set one since
        _READ.clear()
        _READ[variables] = found
    return found


def _variables() -> tuple[tuple[str, str], ...]:
    """Return this process's variables that may be settings; the case of names doesn't matter."""
    return tuple(
        (name, value) for name, value in os.environ.items() if name.upper().startswith(PREFIX)
    )
