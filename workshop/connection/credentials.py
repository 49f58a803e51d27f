"""Server addresses and API keys, found as the `wandb` client finds them."""

import netrc
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workshop import _compat
from workshop.connection import client_settings
from workshop.errors import WorkshopError
from workshop.paths import shown

API_KEY = "WANDB_API_KEY"


def account_url() -> str:
    """Return the address of W&B's own server, the client's default."""
    import wandb

    return wandb.Settings.model_fields["base_url"].default


def is_account(url: str) -> bool:
    """Return whether a URL is W&B's own; its former names still work."""
    return _compat.is_account_url(url)


def api_url(address: str) -> str:
    """Return a server's address as the client normalizes it.

    Raises:
        WorkshopError: the client rejects the address, for example that of W&B's web pages.
    """
    try:
        return _compat.api_url(address)
    except ValueError as error:
        raise WorkshopError(
            f"{address} is not the address of a W&B server ({str(error).splitlines()[0]}): give "
            "its API address or, for an account, the backend 'wandb'"
        ) from None


def server_url(environment: Mapping[str, str] = os.environ) -> str:
    """Return the address of the server that a client with this environment uses."""
    setting = client_settings.find("base_url", environment)
    return setting.value.rstrip("/") if setting else account_url()


@dataclass(frozen=True)
class Key:
    """An API key.

    Attributes:
        value: the key itself.
        place: where it was found, as messages name it.
        file: the file that it is in; None if it is in the environment.
    """

    value: str
    place: str
    file: Path | None = None

    @property
    def is_open_to_others(self) -> bool:
        """Whether anybody but its file's owner can read it."""
        return self.file is not None and is_open_to_others(self.file)


def find_key(url: str, environment: Mapping[str, str] = os.environ) -> Key | None:
    """Return the API key that a client with this environment uses for a server, or None.

    The client looks in `WANDB_API_KEY`, then in the netrc file, then in its own settings files.
    """
    if value := environment.get(API_KEY):
        return Key(value, API_KEY)
    file = netrc_file(environment)
    if (entry := _netrc_entry(file, url)) and entry[1]:
        return Key(entry[1], f"{shown(file)} (machine {entry[0]})", file)
    if setting := client_settings.in_files("api_key", environment):
        return Key(setting.value, setting.place, setting.file)
    return None


def netrc_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the netrc file that a client with this environment reads."""
    if named := environment.get("NETRC"):
        return Path(named).expanduser()
    usual, windows = Path("~/.netrc").expanduser(), Path("~/_netrc").expanduser()
    return windows if windows.exists() and not usual.exists() else usual


def is_open_to_others(file: Path) -> bool:
    """Return whether anybody but its owner may access a file."""
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _netrc_entry(file: Path, url: str) -> tuple[str, str] | None:
    """Return the machine and the password of a server's entry in a netrc file.

    W&B's own server has two names there: `wandb login` writes the current one, and the client
    still accepts the former one.
    """
    try:
        entries = netrc.netrc(file)
    except (OSError, netrc.NetrcParseError):
        return None
    for address in (url, _compat.former_account_url(url)):
        machine = urlsplit(address).netloc
        if entry := entries.authenticators(machine):
            return machine if machine in entries.hosts else "default", entry[2]
    return None
