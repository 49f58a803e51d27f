"""Start, find and stop the local W&B server (`sweepserver`) of this clone.

Its key is neither in the environment nor in an argument of anything: the server leaves it in a
netrc file of mode 0600, which the `wandb` client finds through the variable `NETRC`.
"""

import fcntl
import json
import netrc
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from workshop.connection import browser_links
from workshop.errors import WorkshopError
from workshop.paths import ROOT, home, shown

DEFAULT_PORT = int(os.environ.get("WORKSHOP_PORT") or 8517)
FIGURES = "workshop.analyze.plots.server_figures:draw_sweep"
"""What draws the figures on the server's pages."""
START_LIMIT_S = 60  # a second where nothing else computes


def store() -> Path:
    """Return the folder in which the server keeps everything."""
    return home() / "server"


def netrc_file() -> Path:
    """Return the path of the netrc file that holds the key of the user who runs the server."""
    return store() / "keys" / "local.netrc"


def running() -> str | None:
    """Return the URL of the running server, as others know it where they can, or None."""
    return next((url for url, certificate in _addresses() if _answers(url, certificate)), None)


def serves(url: str) -> bool:
    """Tell whether a URL is one of the running server's."""
    return any(url == own and _answers(url, certificate) for own, certificate in _addresses())


def start() -> str:
    """Start the server unless it runs; return its URL.

    It listens on loopback and goes on running after this process; `stop` ends it.

    Raises:
        WorkshopError: it does not come up; the message carries its own last words.
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
    lines = log.read_text().strip().splitlines() or ["it said nothing"]
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


@contextmanager
def shared() -> Iterator[None]:
    """Stop the server at the end, if it was started meanwhile and nobody else is in here.

    Several processes may be in here at once; the last to leave stops the server, if it was one
    of them that started it.  A process that is killed counts no more, and what it started is
    stopped by the next ones.
    """
    home().mkdir(parents=True, exist_ok=True)
    # Everybody in here holds the lock together; who can have it alone is the last.  The file
    # holds the process ID of the server that is to be stopped.
    with (home() / "server.users").open("a+") as users:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(users, fcntl.LOCK_SH)
        was_running = running()
        try:
            yield
        finally:
            if running():
                if not was_running:
                    users.truncate(0)
                    print(_pid(), file=users, flush=True)
                with suppress(OSError):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    users.seek(0)
                    if users.read().strip() == str(_pid()):
                        stop()


def last_port() -> int:
    """Return the port of the last start, so that printed links and waiting agents stay right."""
    try:
        hosts = netrc.netrc(netrc_file()).hosts
    except (OSError, netrc.NetrcParseError):
        return DEFAULT_PORT
    return next((port for host in hosts if (port := urlsplit(f"//{host}").port)), DEFAULT_PORT)


def _note() -> dict:
    """Return what the running server has left word of."""
    return json.loads((store() / "server.json").read_text())


def _pid() -> int:
    return _note()["pid"]


def _addresses() -> list[tuple[str, str | None]]:
    """Return each URL that the server has left word of, with the file of its certificate."""
    try:
        note = _note()
        return [(note[key], note["certfile"]) for key in ("url", "local_url")]
    except (OSError, ValueError, KeyError):
        return []


def _answers(url: str, certificate: str | None) -> bool:
    """Tell whether the server of this store answers at a URL."""
    try:
        context = _only(certificate) if certificate else None
        with urllib.request.urlopen(f"{url}/health", timeout=5, context=context) as reply:  # noqa: S310
            return json.load(reply)["instance"] == _note()["instance"]
    except (OSError, ValueError, KeyError):
        return False


def _only(certificate: str) -> ssl.SSLContext:
    """Return what trusts one certificate, whichever name it was made out to."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the authority may be unknown here
    return context
