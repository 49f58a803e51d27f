"""Start, find and stop the local W&B server (`workshop.server`) of this clone.

Its key is neither in the environment nor in an argument of anything: it lies in a netrc file of
mode 0600, which the `wandb` client finds through the variable `NETRC`.
"""

import json
import netrc
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from workshop.errors import WorkshopError
from workshop.paths import ROOT, home, shown

DEFAULT_PORT = 8517


def store() -> Path:
    """Return the folder in which the server keeps everything."""
    return home() / "server"


def netrc_file() -> Path:
    """Return the path of the netrc file that holds the server's key."""
    return home() / "netrc"


def running() -> str | None:
    """Return the URL of the running server, or None."""
    try:
        url = json.loads((store() / "server.json").read_text())["url"]
        with urllib.request.urlopen(f"{url}/health", timeout=5) as reply:  # noqa: S310
            health = json.load(reply)
    except (OSError, ValueError, KeyError):
        return None
    return url if Path(health.get("store", "")) == store() else None


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
    for port in (_last_port(), 0):
        command = [sys.executable, "-m", "workshop.server"]
        command += ["--store", str(store()), "--port", str(port)]
        with log.open("w") as output:
            server = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while server.poll() is None and time.monotonic() < deadline:
            if url := running():
                _write_netrc(url)
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
    os.kill(json.loads((store() / "server.json").read_text())["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 10
    while running() and time.monotonic() < deadline:
        time.sleep(0.1)
    return True


def _last_port() -> int:
    """Return the port of the last start, so that printed links and waiting agents stay right."""
    try:
        hosts = netrc.netrc(netrc_file()).hosts
    except (OSError, netrc.NetrcParseError):
        return DEFAULT_PORT
    return next((port for host in hosts if (port := urlsplit(f"//{host}").port)), DEFAULT_PORT)


def _write_netrc(url: str) -> None:
    key = (store() / "key").read_text().strip()
    descriptor = os.open(netrc_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"machine {urlsplit(url).netloc}\n  login user\n  password {key}\n")
