"""A server to measure: the real command in a process of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sweepserver.people.keys import key_file, read_key


class Served:
    """A running server.

    Args:
        store: The folder of its store; a fresh one that is removed in the end if left out.
        people: The names of a class.

    Attributes:
        url: Where it listens.
        key: The key of its owner.
    """

    def __init__(self, store: Path | None = None, people: Sequence[str] = ()):
        self._home = Path(tempfile.mkdtemp(prefix="workshop-benchmark-"))
        self.store = store or self._home / "store"
        command = [sys.executable, "-m", "sweepserver", "--store", self.store, "--port", "0"]
        if people:
            roster = self._home / "roster.csv"
            roster.write_text("\n".join(["name", *people]))
            command += ["--roster", roster]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline()
        if " at " not in line:
            raise SystemExit("error: the server did not start; it has said why above")
        self.url = line.split(" at ")[1].split()[0]
        self.key = self.key_of("local")

    def key_of(self, name: str) -> str:
        """Return somebody's key."""
        return read_key(key_file(self.store, name))

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        shutil.rmtree(self._home)

    def environment(self) -> dict[str, str]:
        """Return an environment in which wandb speaks to the server, and to nobody else."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        return inherited | {
            "HOME": str(self._home),
            "OMP_NUM_THREADS": "1",
            "WANDB_API_KEY": self.key,
            "WANDB_BASE_URL": self.url,
            "WANDB_CACHE_DIR": str(self._home / "cache"),
            "WANDB_CONFIG_DIR": str(self._home / "config"),
            "WANDB_DATA_DIR": str(self._home / "data"),
            "WANDB_DIR": str(self._home),
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_SILENT": "true",
        }

    def python(self, code: str, *arguments: object) -> subprocess.Popen:
        """Start Python code that uses wandb and prints what it has to tell."""
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=self.environment(),
            cwd=self._home,
            stdout=subprocess.PIPE,
            text=True,
        )

    def memory(self) -> int:
        """Return how many bytes of memory the server holds."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def peak_memory(self) -> int:
        """Return the most bytes of memory that the server has held."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def processor_seconds(self) -> float:
        """Return how long the server's threads have computed, to the nanosecond."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def disk(self) -> int:
        """Return how many bytes the store's folder takes."""
        return sum(path.stat().st_size for path in self.store.rglob("*") if path.is_file())
