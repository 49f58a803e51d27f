"""Somebody who uses the kit on this machine as an ordinary user."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import leftovers
from tests.hub.environment import python_for_others
from tests.hub.running import participants
from tests.waiting import patience
from workshop.paths import ROOT


@dataclass(frozen=True)
class Person:
    """A user without rights of an administrator's.

    Attributes:
        name: their name; None is the user who tests.
        home: their home folder.
        python: the Python of the kit's environment that they can run.
        path: their PATH.
    """

    name: str | None
    home: Path
    python: Path
    path: str = "/usr/local/bin:/usr/bin:/bin"

    @property
    def kit(self) -> Path:
        """Where the kit keeps what is theirs."""
        return self.home / ".workshop"

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the clone, as they would in a terminal."""
        environment = {
            "HOME": str(self.home), "PATH": self.path, "WORKSHOP_HOME": str(self.kit),
            "PYTHONPATH": str(ROOT), "WANDB_ERROR_REPORTING": "false",
            "WORKSHOP_PORT": os.environ["WORKSHOP_PORT"], "OMP_NUM_THREADS": "1",
            **leftovers.mark(), **variables,
        }  # fmt: skip
        who = {"user": self.name, "group": self.name, "extra_groups": []} if self.name else {}
        return subprocess.run(
            words, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=patience(600), **who,
        )  # fmt: skip

    def workshop(self, *words: str, status: int = 0) -> str:
        """Run one of the kit's commands, and return what it printed."""
        program = "import sys; from workshop.cli import main; sys.exit(main())"
        done = self.run(str(self.python), "-c", program, *words)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def call(self, *words: str) -> object:
        """Run a module of Python's with arguments; return the JSON of its last line."""
        done = self.run(str(self.python), "-m", *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def somebody() -> Iterator[Person]:
    """Yield the user who tests, or one made for root, of whom nothing is left afterwards.

    Raises:
        ClosedError: other users cannot run the clone's environment.
    """
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as name:
        folder = Path(name)
        if os.geteuid():
            yield Person(None, folder, Path(sys.executable))
            return
        folder.chmod(0o755)
        python = python_for_others(folder / "venv")
        with participants(1) as (one,):
            yield Person(one.name, one.home, python)
