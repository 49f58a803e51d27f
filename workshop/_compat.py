"""The private interfaces of other packages that the kit depends on, each in one place.

`tests/test_compat.py` has a test for every entry, which fails if a new release has changed it.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb


def client_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the client raises if a server refuses or doesn't answer.

    One of them isn't in `wandb.errors`, and some queries for a missing object raise ValueError.
    """
    import wandb
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    return wandb.errors.Error, WandbApiFailedError, ValueError


def client_settings_if_started() -> "wandb.Settings | None":
    """Return the settings that this process's client started with; None if it hasn't started."""
    from wandb.sdk import wandb_setup

    return wandb_setup.singleton().settings_if_loaded


def client_variables() -> set[str]:
    """Return the names of the environment variables that the client knows."""
    import wandb
    import wandb.env

    of_settings = {f"WANDB_{name.upper()}" for name in wandb.Settings.model_fields}
    return of_settings | set(re.findall(r'"(WANDB_\w+)"', Path(wandb.env.__file__).read_text()))


def settings_in_file(file: Path) -> dict[str, Any]:
    """Return the settings in one of the client's settings files; empty if it is missing."""
    from wandb.sdk.lib.settings_file import SettingsFiles

    return dict(SettingsFiles(global_settings=None, local_settings=file).all())


def key_problem(key: str) -> str | None:
    """Return why the client rejects an API key; None if it accepts the key."""
    from wandb.sdk.lib.wbauth.validation import check_api_key

    return check_api_key(key)


def api_url(address: str) -> str:
    """Return a server's address as the client normalizes it.

    Raises:
        ValueError: The client rejects the address, for example that of W&B's web pages.
    """
    from wandb.sdk.lib.wbauth import HostUrl

    return HostUrl(address).url


def is_account_url(url: str) -> bool:
    """Return whether a URL is W&B's own; its former names still work."""
    from wandb.sdk.lib import urls

    return urls.is_forge_host(url)


def former_account_url(url: str) -> str:
    """Return the former address of W&B's server; any other URL unchanged."""
    from wandb.sdk.lib.urls import forge_upstream_url

    return forge_upstream_url(url)


def ask_for_sweep(
    api: "wandb.Api", path: Sequence[str], query: str, **variables: object
) -> "wandb.apis.public.Sweep | None":
    """Return a sweep that is loaded by a query of our own.

    Args:
        api: The client to ask with.
        path: The sweep's entity, project and ID.
        query: The GraphQL document; it also gets the variables of the path.
        variables: Its own variables.
    """
    from wandb.apis.public import Sweep

    entity, project, name = path
    return Sweep.get(api, entity, project, name, query=query, **variables)


def compiler_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that PyTorch raises if it can't compile a model."""
    import torch

    return (torch._dynamo.exc.TorchDynamoException,)


def agent_words(command: list[str], values: dict[str, Any], **macros: str) -> list[str]:
    """Return the command that `wandb agent` starts for a run.

    Args:
        command: the sweep's command.
        values: the hyperparameters that the sweep picked for the run.
        macros: the values of further macros, such as `program`, as the agent replaces them.
    """
    from wandb.sdk.launch.sweeps import utils

    filled = utils.create_sweep_command_args({"args": _wrapped(values)})
    filled |= {name: [word] for name, word in macros.items()}
    found: list[str] = []
    for word in map(str, utils.create_sweep_command(list(command))):
        is_macro = word.startswith("${") and word.endswith("}")
        found += (filled.get(word[2:-1]) or []) if is_macro else [word]
    return found


def save_sweep_values(file: Path, values: dict[str, Any]) -> None:
    """Write a sweep's values for a run to a file for `wandb.init`, as `wandb agent` does."""
    from wandb.sdk.lib import config_util

    config_util.save_config_file_from_dict(str(file), _wrapped(values))


def _wrapped(values: dict[str, Any]) -> dict[str, Any]:
    """Return values in the form in which a server gives them to an agent."""
    return {name: {"value": value} for name, value in values.items()}
