"""Where W&B's own server is, and where the keys for servers are: as the `wandb` client does it."""

import netrc
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workshop.connection import client_settings
from workshop.errors import WorkshopError
from workshop.paths import shown

API_KEY = "WANDB_API_KEY"


def account_url() -> str:
    """Return the address of W&B itself, which the client speaks to unless it is told otherwise."""
    import wandb

    return wandb.Settings.model_fields["base_url"].default


def is_account(url: str) -> bool:
    """Tell whether a URL is one of W&B's own: it has had other names, which still work."""
    from wandb.sdk.lib import urls

    return urls.is_forge_host(url)


def api_url(address: str) -> str:
    """Return a server's address as the client writes it.

    Raises:
        WorkshopError: the client takes no such address, as that of W&B's pages.
    """
    from wandb.sdk.lib.wbauth import HostUrl

    try:
        return HostUrl(address).url
    except ValueError as error:
        raise WorkshopError(
            f"{address} is not the address of a W&B server ({str(error).splitlines()[0]}): give "
            "the one that a client sends to, or, for an account, the backend 'wandb'"
        ) from None


def server_url(environment: Mapping[str, str] = os.environ) -> str:
    """Return the address of the server that a client with this environment speaks to."""
    setting = client_settings.find("base_url", environment)
    return setting.value.rstrip("/") if setting else account_url()


@dataclass(frozen=True)
class Key:
    """An API key.

    Attributes:
        value: the key itself.
        place: where it is, for a reader.
        file: the file that it is in; None if it is in the environment.
    """

    value: str
    place: str
    file: Path | None = None

    @property
    def is_open_to_others(self) -> bool:
        """Whether anybody but the owner of its file can use it."""
        return self.file is not None and is_open_to_others(self.file)


def find_key(url: str, environment: Mapping[str, str] = os.environ) -> Key | None:
    """Return the key that a client with this environment uses for a server; None if it has none.

    The client asks `WANDB_API_KEY`, then the netrc file, then its own settings files.
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
    """Tell whether anybody but its owner may use a file."""
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _netrc_entry(file: Path, url: str) -> tuple[str, str] | None:
    """Return the machine and the password of a server's entry in a netrc file.

    W&B's own server has two names there: `wandb login` writes the one that it has today, and the
    client still takes the one that it had before W&B moved.
    """
    from wandb.sdk.lib.urls import forge_upstream_url

    try:
        entries = netrc.netrc(file)
    except (OSError, netrc.NetrcParseError):
        return None
    for address in (url, forge_upstream_url(url)):
        machine = urlsplit(address).netloc
        if entry := entries.authenticators(machine):
            return machine if machine in entries.hosts else "default", entry[2]
    return None
