"""The W&B server: its address, its key, proxies on the way, and the client's variables."""

import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from workshop import local_server
from workshop.config import closest
from workshop.credentials import ACCOUNT_URL, is_open_to_others, login, netrc_file
from workshop.errors import WorkshopError
from workshop.links import is_this_machine
from workshop.paths import shown
from workshop.preflight.finding import Finding
from workshop.reach import check_reachable


def findings(choice: str) -> Iterator[Finding]:
    """Look at the W&B that a choice of backend means (`workshop.backend.connect`)."""
    yield from _misspelt()
    url = _url(choice)
    if url is None:
        yield Finding(
            "W&B", "the local server, which is not running", "ok", "the next notebooks start it"
        )
        return
    yield _proxy(url)
    try:
        check_reachable(url)
    except WorkshopError as error:
        found, _, next_step = str(error).partition(": ")
        yield Finding("W&B", found, "problem", next_step)
        return
    yield Finding("W&B", f"{url} answers")
    yield _key(url)


def _url(choice: str) -> str | None:
    if choice == "auto":
        choice = os.environ.get("WANDB_BASE_URL") or "local"
    if choice == "local":
        return local_server.running()
    return ACCOUNT_URL if choice == "wandb" else choice.rstrip("/")


def _misspelt() -> Iterator[Finding]:
    """Find variables that look like the client's, but that it does not know and ignores."""
    import wandb
    import wandb.env

    known = {f"WANDB_{name.upper()}" for name in wandb.Settings.model_fields}
    known |= set(re.findall(r'"(WANDB_\w+)"', Path(wandb.env.__file__).read_text()))
    for name in sorted(os.environ):
        if name.startswith("WANDB_") and name not in known and not name.startswith("WANDB__"):
            yield Finding(
                name, "is no variable of W&B's client, which ignores it", "note",
                f"remove or correct it{closest(name, known)}",
            )  # fmt: skip


def _proxy(url: str) -> Finding:
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy:
        return Finding("proxy", "none")
    if urllib.request.proxy_bypass(parts.hostname):
        return Finding("proxy", f"{_without_password(proxy)}, but not for {parts.hostname}")
    if is_this_machine(url):
        return Finding(
            "proxy",
            f"{_without_password(proxy)}, also for this machine itself",
            "problem",
            f"export NO_PROXY={parts.hostname},localhost",
        )
    return Finding(
        "proxy", _without_password(proxy), "note", "compute nodes need the same variables"
    )


def _without_password(proxy: str) -> str:
    return re.sub(r"//[^@/]*@", "//", proxy)


def _key(url: str) -> Finding:
    import wandb
    from wandb.sdk.lib.wbauth.validation import check_api_key

    file = _netrc(url)
    key, place = os.environ.get("WANDB_API_KEY"), "WANDB_API_KEY"
    if local_server.serves(url) or not key:
        found = login(file, url)
        key, place = found[2] if found else "", shown(file)
    if not key:
        return Finding("key", f"none for {url}", "problem", f"run `wandb login --host {url}` once")
    if problem := check_api_key(key):
        return Finding(
            "key", f"the one in {place} is none: {problem}", "problem",
            f"copy it again: `wandb login --relogin --host {url}`",
        )  # fmt: skip
    if place != "WANDB_API_KEY" and is_open_to_others(file):
        return Finding(
            "key", f"{place} can be read by others", "problem", f"run `chmod 600 {place}`"
        )
    try:
        entity = wandb.Api(overrides={"base_url": url}, api_key=key).default_entity
    except (wandb.errors.Error, ValueError):
        return Finding(
            "key", f"{url} refuses the one in {place}", "problem",
            f"run `wandb login --relogin --host {url}`",
        )  # fmt: skip
    if place == "WANDB_API_KEY":
        return Finding(
            "key", f"of {entity}, in a variable that SLURM's tasks do not get", "note",
            f"for arrays run `wandb login --host {url}`, which stores it in {shown(file)}",
        )  # fmt: skip
    return Finding("key", f"of {entity}, in {place}")


def _netrc(url: str) -> Path:
    if local_server.serves(url):
        return local_server.netrc_file()
    return netrc_file(os.environ)
