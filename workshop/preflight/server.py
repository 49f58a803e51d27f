"""The W&B server: its address, its key, proxies on the way, and the client's variables."""

import os
import re
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from sweepserver.search.values import closest
from workshop.connection import local_server, mode
from workshop.connection.browser_links import is_this_machine
from workshop.connection.credentials import API_KEY, Key, account_url, api_url, find_key, netrc_file
from workshop.connection.reachability import check_reachable
from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown
from workshop.preflight.finding import Finding


def findings(choice: str) -> Iterator[Finding]:
    """Look at the W&B that a choice of backend means (`workshop.connection.backend.connect`)."""
    yield from _misspelt()
    yield from _mode()
    if choice == "auto":
        choice = os.environ.get("WANDB_BASE_URL") or "local"
    if choice == "local":
        yield from _local()
    elif choice == "wandb":
        yield from _server(account_url())
    elif choice.startswith(("http://", "https://")):
        try:
            url = api_url(choice)
        except WorkshopError as error:
            found, _, step = str(error).rpartition(": ")
            yield Finding("W&B", found, "problem", step)
        else:
            yield from _server(url)
    else:
        yield Finding(
            "W&B", f"backend {choice!r} is not known", "problem",
            "use auto, local, wandb or a server's URL",
        )  # fmt: skip


def _local() -> Iterator[Finding]:
    if url := local_server.running():
        yield from _server(url)
        return
    proxy = _proxy(f"http://127.0.0.1:{local_server.last_port()}")
    yield proxy
    if proxy.verdict == "problem":
        yield Finding(
            "W&B", "the local server; whether it runs is not seen past the proxy", "note",
            "correct the proxy first",
        )  # fmt: skip
    else:
        yield Finding(
            "W&B", "the local server, which is not running", "ok", "the next notebooks start it"
        )


def _server(url: str) -> Iterator[Finding]:
    yield _proxy(url)
    key = find_key(url, _environment(url))
    wrong = _wrong_key(url, key)
    try:
        check_reachable(url)
    except WorkshopError as error:
        found, _, next_step = str(error).partition(": ")
        yield Finding("W&B", found, "problem", next_step)
        if wrong and (key or not is_this_machine(url)):  # a local server brings its key
            yield wrong
        elif key:
            yield Finding("key", f"in {key.place}, well formed; nobody could be asked whose it is")
        return
    yield Finding("W&B", f"{url} answers")
    yield wrong or _accepted_key(url, key)


def _mode() -> Iterator[Finding]:
    """Find a mode in which nothing reaches the server: from here, or from agents and tasks."""
    modes = (mode.here(), mode.find(folder=ROOT))
    if problem := next((found.problem for found in modes if found.problem), ""):
        meaning, _, step = problem.partition(": ")
        yield Finding("mode of the client", meaning, "problem", step)


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
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return Finding("proxy", "none")
    if urllib.request.proxy_bypass(parts.hostname):
        return Finding("proxy", f"{_without_password(proxy)}, but not for {parts.hostname}")
    if is_this_machine(url):
        return Finding(
            "proxy",
            f"{_without_password(proxy)}, also for this machine itself",
            "problem",
            f"export {_exception(parts.hostname)}",
        )
    return Finding(
        "proxy", _without_password(proxy), "note", "compute nodes need the same variables"
    )


def _exception(host: str) -> str:
    """Return the assignment that adds a host to those that no proxy is used for."""
    variable = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"  # the former goes first
    return f"{variable}={','.join(filter(None, [os.environ.get(variable), host, 'localhost']))}"


def _without_password(proxy: str) -> str:
    return re.sub(r"//[^@/]*@", "//", proxy)


def _environment(url: str) -> Mapping[str, str]:
    """Return what the client's environment will be once `connect` has chosen the server."""
    if local_server.serves(url):
        return {**os.environ, "NETRC": str(local_server.netrc_file()), API_KEY: ""}
    return os.environ


def _wrong_key(url: str, key: Key | None) -> Finding | None:
    """Return what is wrong with a key that no server needs to be asked about."""
    from wandb.sdk.lib.wbauth.validation import check_api_key

    if key is None:
        return Finding("key", f"none for {url}", "problem", f"run `wandb login --host {url}` once")
    if problem := check_api_key(key.value):
        return Finding(
            "key", f"the one in {key.place} is none: {problem}", "problem",
            f"copy it again: `wandb login --relogin --host {url}`",
        )  # fmt: skip
    if key.is_open_to_others:
        return Finding(
            "key", f"{key.place} can be read by others", "problem",
            f"run `chmod 600 {shown(key.file)}`",
        )  # fmt: skip
    return None


def _accepted_key(url: str, key: Key) -> Finding:
    """Ask the server whose key it is."""
    import wandb

    try:
        entity = wandb.Api(overrides={"base_url": url}, api_key=key.value).default_entity
    except (wandb.errors.Error, ValueError):
        return Finding(
            "key", f"{url} refuses the one in {key.place}", "problem",
            f"run `wandb login --relogin --host {url}`",
        )  # fmt: skip
    if key.file is None:
        file = shown(netrc_file(_environment(url)))
        return Finding(
            "key", f"of {entity}, in {key.place}, a variable that SLURM's tasks do not get", "note",
            f"for arrays run `wandb login --host {url}`, which stores it in {file}",
        )  # fmt: skip
    return Finding("key", f"of {entity}, in {key.place}")
