"""A real hub: JupyterHub with its proxy, and Unix users with a password, for a test alone."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import leftovers
from tests.ports import free_ports
from tests.waiting import patience, wait_for
from workshop.paths import ROOT

CONFIG = ROOT / "deploy" / "jupyterhub" / "jupyterhub_config.py"
# A name that browsers take for this machine, and that is none of its loopback names for a server.
NAME = "hub.localhost"


@dataclass(frozen=True)
class Participant:
    name: str
    home: Path
    password: str = field(repr=False)


def missing() -> str | None:
    """Return why this machine cannot run a hub, or None if it can."""
    if os.geteuid() != 0:
        return "only root can start other users' servers and make users for the test"
    for program, package in {
        "configurable-http-proxy": "npm install --global configurable-http-proxy",
        "useradd": "apt-get install passwd",
        "runuser": "apt-get install util-linux",
    }.items():
        if not shutil.which(program):
            return f"{program} is not installed ({package})"
    return None


@contextmanager
def participants(count: int):
    """Make users of this machine with a home folder and a password; remove them afterwards."""
    mark = secrets.token_hex(3)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="participants-"))
        folder.chmod(0o755)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        made = []
        for number in range(1, count + 1):
            name = f"learner{number}-{mark}"
            one = Participant(name, folder / name, secrets.token_urlsafe(16))
            subprocess.run(
                ["useradd", "--create-home", "--home-dir", one.home, "--shell", "/bin/bash", name],
                check=True,
            )
            leftovers.remember_user(name)
            stack.callback(leftovers.remove_user, name)
            line = f"{name}:{one.password}"
            subprocess.run(["chpasswd"], input=line, text=True, check=True)
            made.append(one)
        yield made


def processes(user: str) -> list[int]:
    """Return the processes of a user."""
    found = subprocess.run(["pgrep", "-u", user], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def commands(user: str) -> str:
    """Return the processes of a user with their commands, for a person to read."""
    found = subprocess.run(
        ["ps", "-ww", "-u", user, "-o", "pid,ppid,stat,etimes,args"], capture_output=True, text=True
    )
    return found.stdout


class Hub:
    """JupyterHub with the kit's configuration, run by a Python of the kit's environment.

    Attributes:
        url: the address that participants type.
        log: what it said.
    """

    def __init__(self, folder: Path, python: Path, config: Path = CONFIG, **environment: str):
        public, hub, api = free_ports(3)
        self.url = f"http://{NAME}:{public}"
        self.log = folder / "hub.log"
        self._command = [
            python, "-m", "jupyterhub", f"--config={config}", f"--port={public}",
            f"--JupyterHub.hub_port={hub}",
            f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{api}",
        ]  # fmt: skip
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "WORKSHOP_HUB_URL": self.url,
            "WORKSHOP_AGENTS": os.environ["WORKSHOP_AGENTS"],
            **leftovers.mark(),
            **environment,
        }
        self._port = public

    def __enter__(self) -> "Hub":
        with self.log.open("w") as output:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(self._answers, "the hub answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the hub, which stops its proxy and all servers."""
        self._process.terminate()
        try:
            self._process.wait(timeout=patience(180))
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def warnings(self) -> list[str]:
        """Return what the hub and the participants' servers said of what isn't as usual."""
        return [line for line in self.log.read_text().splitlines() if not line.startswith("[I")]

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/hub/login", timeout=5).close()
        except urllib.error.HTTPError:
            return False
        except OSError:
            return False
        return True
