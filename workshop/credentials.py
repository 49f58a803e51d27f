"""Where the client's keys are: in a netrc file, an entry per server."""

import netrc
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

ACCOUNT_URL = "https://api.wandb.ai"
"""The server of W&B itself, which the client speaks to unless it is told otherwise."""


def netrc_file(environment: Mapping[str, str]) -> Path:
    """Return the netrc file that a process with this environment reads."""
    return Path(environment.get("NETRC", "~/.netrc")).expanduser()


def login(file: Path, url: str) -> tuple[str, str, str] | None:
    """Return login, account and password (the key) that a netrc file has for a server's URL.

    It is None if there is no such entry, or no such file that can be read.
    """
    try:
        return netrc.netrc(file).authenticators(urlsplit(url).netloc)
    except (OSError, netrc.NetrcParseError):
        return None


def is_open_to_others(file: Path) -> bool:
    """Tell whether anybody but its owner may use a file."""
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
