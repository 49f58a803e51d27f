"""Choose which W&B server you'll use: the local server, a class's server, or an account.

`connect` starts the local server if it is chosen and not running.  It sets the environment
variables that the `wandb` client reads, so that agents and jobs started from here use the same
server.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workshop._compat import client_errors, client_settings_if_started
from workshop.connection import browser_links, client_variables, local_server, mode
from workshop.connection.credentials import account_url, api_url, is_account
from workshop.connection.reachability import check_reachable
from workshop.errors import WorkshopError
from workshop.paths import home, shown

PROJECT = "sweep-workshop"

# The client's staging and cache folders, which would otherwise fill a home folder's quota.
_CLIENT_FOLDERS = {
    "WANDB_DIR": "",
    "WANDB_CACHE_DIR": "wandb/cache",
    "WANDB_DATA_DIR": "wandb/data",
    "WANDB_ARTIFACT_DIR": "wandb/artifacts",
}


@dataclass(frozen=True)
class Backend:
    """The W&B server in use.

    Attributes:
        kind: `local server`, `server` (somebody else's) or `account` (W&B itself).
        url: its base URL.
        entity: the default entity of runs.
    """

    kind: str
    url: str
    entity: str

    def __str__(self) -> str:
        """Return one line for a reader."""
        if self.kind == "local server":
            data = f", data in {shown(local_server.store())}"
        else:
            data = ""
        address = browser_links.in_browser(self.url)
        pages = "" if address == self.url else f"; its pages: {address}"
        return f"W&B: {self.kind} at {self.url} (entity {self.entity}{data}){pages}"


def connect(choice: str = "auto", must_answer: bool = True) -> Backend:
    """Connect the `wandb` client of this process and its children to a W&B server.

    Args:
        choice: `local` for the local server, `wandb` for an account at W&B, the URL of any
            other W&B server, or `auto`: the server in `WANDB_BASE_URL` if that is set, or else
            the local one.
        must_answer: False for an analysis, which can use cached results as an offline fallback.

    Returns:
        The backend, after printing it as one line, with a warning if the client's mode keeps runs
        from it.  Its entity is empty if it did not answer.

    Raises:
        WorkshopError: the choice is unknown, the client's mode is unknown, the server cannot be
            reached or started, or it refuses the key.
    """
    if choice == "auto":
        choice = os.environ.get("WANDB_BASE_URL") or "local"
    if choice == "local":
        kind, url = "local server", local_server.start()
    elif choice == "wandb":
        kind, url = "account", account_url()
    elif choice.startswith(("http://", "https://")):
        url = api_url(choice)
        kind = "account" if is_account(url) else "server"
        if local_server.serves(url):
            kind = "local server"
    else:
        raise WorkshopError(
            f"backend {choice!r} is not known: use 'auto', 'local', 'wandb' or a server's URL"
        )
    try:
        check_reachable(url)
    except WorkshopError as silence:
        if must_answer:
            raise
        _set_environment(kind, url)
        print(f"offline: {silence}")
        return Backend(kind, url, entity="")
    _set_environment(kind, url)
    found = mode.here()
    if not found.is_known:
        raise WorkshopError(found.problem)
    backend = Backend(kind, url, _entity(url))
    print(backend)
    if found.problem:
        print(f"warning: {found.problem}")
    return backend


@contextmanager
def session(choice: str = "auto") -> Iterator[Backend]:
    """Connect for a block; a local server that it started stops after the last session."""
    with local_server.shared():
        yield connect(choice)


def _renew_client(url: str) -> None:
    """Shut down this process's client if it was started with another server's address.

    A client keeps the address that it was started with; the next use of `wandb` starts a new one.
    Unfinished runs are finished.
    """
    import wandb

    settings = client_settings_if_started()
    if settings and settings.base_url != url:
        wandb.teardown()


def _set_environment(kind: str, url: str) -> None:
    _renew_client(url)
    os.environ["WANDB_BASE_URL"] = url
    os.environ.setdefault("WANDB_PROJECT", PROJECT)
    # The background process of our parent's client, which may end at any time.
    os.environ.pop("WANDB_SERVICE", None)
    if kind == "local server":
        os.environ["NETRC"] = str(local_server.netrc_file())
        # An account's key would take precedence over the one in the netrc file, and be refused.
        os.environ.pop("WANDB_API_KEY", None)
    elif os.environ.get("NETRC") == str(local_server.netrc_file()):
        del os.environ["NETRC"]  # keys of other servers are in the user's own file
    _set_address_of_pages(browser_links.in_browser(url))
    _set_name_of_notebook()
    for variable, folder in _CLIENT_FOLDERS.items():
        path = Path(os.environ.setdefault(variable, str(home() / folder)))
        path.mkdir(parents=True, exist_ok=True)
    # So that `wandb` in a shell and `python` in a sweep's command are this environment's.
    binaries = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != binaries:
        os.environ["PATH"] = os.pathsep.join([binaries, os.environ.get("PATH", "")])


def _set_address_of_pages(address: str) -> None:
    """Make the client print links that the reader's browser can follow, if possible."""
    if browser_links.is_proxied(os.environ.get("WANDB_APP_URL", "")):
        del os.environ["WANDB_APP_URL"]  # the previous server's
    if browser_links.is_proxied(address) and urlsplit(address).netloc:
        os.environ.setdefault("WANDB_APP_URL", address.rstrip("/"))


def _set_name_of_notebook() -> None:
    """Tell the client the notebook's name; it would ask a Jupyter server, which may refuse."""
    notebook = Path(os.environ.get("JPY_SESSION_NAME", ""))
    if notebook.is_file():
        os.environ.setdefault("WANDB_NOTEBOOK_NAME", os.path.relpath(notebook))


def _entity(url: str) -> str:
    """Ask the server for our entity, which also checks the key."""
    import wandb

    try:
        return client_variables.entity(wandb.Api())
    except client_errors() as error:
        raise WorkshopError(
            f"the W&B server at {url} did not accept your key ({str(error).splitlines()[0]}): "
            f"run `wandb login --host {url}`, or use the backend 'local'"
        ) from None
