"""Start, find and stop the local W&B server (`sweepserver`) of this clone.

Its API key is never in the environment or in a command line.  The server writes it to a netrc file
with mode 0600, which the `wandb` client finds through the variable `NETRC`.
"""

import json
import netrc
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

from workshop.connection import browser_links
from workshop.errors import WorkshopError
from workshop.paths import ROOT, home, shown
from workshop.settings import settings
from workshop.shared_use import stopped_by_the_last

FIGURES = "workshop.analyze.plots.server_figures:draw_sweep"
"""The function that draws the figures on the server's pages."""
START_LIMIT_S = 60  # one on an idle machine


def store() -> Path:
    """Return the folder in which the server stores everything."""
    return home() / "server"


def netrc_file() -> Path:
    """Return the netrc file with the key of the user who runs the server."""
    return store() / "keys" / "local.netrc"


def running() -> str | None:
    """Return the running server's URL, its public one if it has one; None if it isn't running."""
    return next((url for url, certificate in _addresses() if _answers(url, certificate)), None)


def serves(url: str) -> bool:
    """Return whether a URL is one of the running server's."""
    return any(url == own and _answers(url, certificate) for own, certificate in _addresses())


def start() -> str:
    """Start the server unless it is running; return its URL.

    It listens on loopback and keeps running after this process; `stop` ends it.

    Raises:
        WorkshopError: it does not start; the message has the last line of its log.
    """
    if url := running():
        return url
    home().mkdir(parents=True, exist_ok=True)
    log = home() / "server.log"
    command = [sys.executable, "-m", "sweepserver", "--store", str(store())]
    command += ["--port", str(last_port()), "0", "--figures", FIGURES]
    if name := browser_links.proxy_host():
        command += ["--proxied-as", name]
    with log.open("w") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + START_LIMIT_S
    while server.poll() is None and time.monotonic() < deadline:
        if url := running():
            return url
        time.sleep(0.1)
    server.kill()
    # Another process may have started the server on this store at the same moment.
    if url := running():
        return url
    lines = log.read_text().strip().splitlines() or ["its log is empty"]
    raise WorkshopError(f"the local W&B server did not start: {lines[-1]} (see {shown(log)})")


def stop() -> bool:
    """Stop the server; return whether one was running."""
    if not running():
        return False
    os.kill(_pid(), signal.SIGTERM)
    deadline = time.monotonic() + 10
    while running() and time.monotonic() < deadline:
        time.sleep(0.1)
    return True


def shared() -> AbstractContextManager[None]:
    """Stop the server at the end of the block, if this process is its last user."""
    return stopped_by_the_last(
        home() / "server.users", lambda: str(_pid()) if running() else "", stop
    )


def last_port() -> int:
    """Return the port of the last start, so that printed links and waiting agents stay valid."""
    try:
        hosts = netrc.netrc(netrc_file()).hosts
    except (OSError, netrc.NetrcParseError):
        return settings().port
    known = (urlsplit(f"//{host}").port for host in hosts)
    return next(filter(None, known), None) or settings().port


def _note() -> dict:
    """Return the running server's record."""
    return json.loads((store() / "server.json").read_text())


def _pid() -> int:
    return _note()["pid"]


def _addresses() -> list[tuple[str, str | None]]:
    """Return each URL in the server's record, with the file of its certificate."""
    try:
        note = _note()
        return [(note[key], note["certfile"]) for key in ("url", "local_url")]
    except (OSError, ValueError, KeyError):
        return []


def _answers(url: str, certificate: str | None) -> bool:
    """Return whether the server of this store answers at a URL."""
    try:
        context = _only(certificate) if certificate else None
        with urllib.request.urlopen(f"{url}/health", timeout=5, context=context) as reply:  # noqa: S310
            return json.load(reply)["instance"] == _note()["instance"]
    except (OSError, ValueError, KeyError):
        return False


def _only(certificate: str) -> ssl.SSLContext:
    """Return an SSL context that trusts only this certificate, whatever host name it is for."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the authority may be unknown here
    return context
