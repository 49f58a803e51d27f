"""Check the W&B server: its address, its key, proxies, and the client's variables."""

import os
import re
import urllib.request
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from sweepserver.search.values import closest
from workshop import _compat
from workshop.connection import local_server, mode
from workshop.connection.browser_links import is_this_machine
from workshop.connection.credentials import API_KEY, Key, account_url, api_url, find_key, netrc_file
from workshop.connection.reachability import check_reachable
from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown, typed
from workshop.preflight.finding import Finding


def findings(choice: str) -> Iterator[Finding]:
    """Check the server of a backend choice (see `workshop.connection.backend.connect`)."""
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
            "W&B", "the local server; the proxy hides whether it is running", "note",
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
            yield Finding("key", f"in {key.place}, well formed, but not checked with the server")
        return
    yield Finding("W&B", f"{url} answers")
    if wrong:
        yield wrong
    elif key:
        yield _accepted_key(url, key)


def _mode() -> Iterator[Finding]:
    """Find a client mode in which nothing reaches the server, here or in agents and tasks."""
    modes = (mode.here(), mode.find(folder=ROOT))
    if problem := next((found.problem for found in modes if found.problem), ""):
        meaning, _, step = problem.partition(": ")
        yield Finding("client mode", meaning, "problem", step)


def _misspelt() -> Iterator[Finding]:
    """Find variables that look like the client's, but that it doesn't know and ignores."""
    known = _compat.client_variables()
    for name in sorted(os.environ):
        if name.startswith("WANDB_") and name not in known and not name.startswith("WANDB__"):
            yield Finding(
                name, "unknown to W&B's client, which ignores it", "note",
                f"remove or correct it{closest(name, known)}",
            )  # fmt: skip


def _proxy(url: str) -> Finding:
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return Finding("proxy", "none")
    if urllib.request.proxy_bypass(host):
        return Finding("proxy", f"{_without_password(proxy)}, but not for {host}")
    if is_this_machine(url):
        return Finding(
            "proxy",
            f"{_without_password(proxy)}, also for this machine itself",
            "problem",
            f"export {_exception(host)}",
        )
    return Finding(
        "proxy", _without_password(proxy), "note", "compute nodes need the same variables"
    )


def _exception(host: str) -> str:
    """Return the assignment that adds a host to `no_proxy`."""
    variable = "no_proxy" if "no_proxy" in os.environ else "NO_PROXY"  # the former wins
    return f"{variable}={','.join(filter(None, [os.environ.get(variable), host, 'localhost']))}"


def _without_password(proxy: str) -> str:
    return re.sub(r"//[^@/]*@", "//", proxy)


def _environment(url: str) -> Mapping[str, str]:
    """Return the client's environment as it will be after `connect`."""
    if local_server.serves(url):
        return {**os.environ, "NETRC": str(local_server.netrc_file()), API_KEY: ""}
    return os.environ


def _wrong_key(url: str, key: Key | None) -> Finding | None:
    """Return a problem of a key that can be found without asking the server."""
    if key is None:
        return Finding("key", f"none for {url}", "problem", f"run `wandb login --host {url}` once")
    if problem := _compat.key_problem(key.value):
        return Finding(
            "key", f"the one in {key.place} is not valid: {problem}", "problem",
            f"copy it again: `wandb login --relogin --host {url}`",
        )  # fmt: skip
    if key.file and key.is_open_to_others:
        return Finding(
            "key", f"{key.place} can be read by others", "problem",
            f"run `chmod 600 {typed(key.file)}`",
        )  # fmt: skip
    return None


def _accepted_key(url: str, key: Key) -> Finding:
    """Ask the server whose key it is."""
    import wandb

    try:
        entity = wandb.Api(overrides={"base_url": url}, api_key=key.value).default_entity
    except _compat.client_errors():
        return Finding(
            "key", f"{url} refuses the one in {key.place}", "problem",
            f"run `wandb login --relogin --host {url}`",
        )  # fmt: skip
    if key.file is None:
        file = shown(netrc_file(_environment(url)))
        return Finding(
            "key", f"of {entity}, in {key.place}, a variable that SLURM tasks don't get", "note",
            f"for arrays run `wandb login --host {url}`, which stores it in {file}",
        )  # fmt: skip
    return Finding("key", f"of {entity}, in {key.place}")
