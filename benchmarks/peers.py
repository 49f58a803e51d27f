"""The same logging through this server, MLflow's tracking server and trackio, side by side.

Each server runs as its own documentation starts it for one machine, with SQLite behind it, and
is logged to with its own library.  The peers are installed into an environment that is thrown away.
"""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.report import Report
from benchmarks.served import Served

CLIENTS = 4
ROWS = 5000
HERE = Path(__file__).parent
STARTING = 90  # seconds
TITLE = "The same logging by the peers' own libraries"


def measure(report: Report) -> None:
    """Measure this server, then each peer that can be installed."""
    with Served() as server:
        environment = server.environment() | {"WANDB_MODE": "online"}
        seconds = log(sys.executable, "wandb", server.url, environment)
        kept = count(server.store, "SELECT count(*) FROM history")
        tell(report, "this server and wandb", seconds, kept, server.memory(), server.disk())
    with tempfile.TemporaryDirectory() as folder:
        try:
            python = install(Path(folder) / "environment")
        except (OSError, subprocess.CalledProcessError) as error:
            reason = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
            print(f"\nThe peers are left out, because they cannot be installed: {reason}")
            return
        for kind, start, statement in (
            ("mlflow", start_mlflow, "SELECT count(*) / 4 FROM metrics"),
            ("trackio", start_trackio, "SELECT count(*) FROM metrics"),
        ):
            home = Path(folder) / kind
            home.mkdir()
            with running(start, python, home) as (url, environment, process):
                seconds = log(python, kind, url, environment)
                time.sleep(2)  # what a server writes after it has answered
                tell(
                    report,
                    kind,
                    seconds,
                    count(home, statement),
                    memory_of_all(process.pid),
                    sum(path.stat().st_size for path in home.rglob("*") if path.is_file()),
                )


def install(folder: Path) -> str:
    """Install the peers; return the Python that has them."""
    uv = str(Path(sys.executable).with_name("uv"))
    python = str(folder / "bin" / "python")
    requirements = str(HERE / "peers.txt")
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", python, "-r", requirements],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return python


@contextmanager
def running(
    start: Callable[[str, int], list[str]], python: str, home: Path
) -> Iterator[tuple[str, dict[str, str], subprocess.Popen]]:
    """Run a peer's server; give its address, the environment for clients, and the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "HOME": str(home),
        "TRACKIO_DIR": str(home / "data"),
        "TRACKIO_WRITE_TOKEN": "0123456789abcdef",
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
    }
    with (home / "log").open("w") as log_file:
        process = subprocess.Popen(
            start(python, port),
            env=environment,
            cwd=home,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process)
        yield url, environment, process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start_mlflow(python: str, port: int) -> list[str]:
    """Return the command of MLflow's tracking server."""
    command = str(Path(python).with_name("mlflow"))
    return [
        command,
        "server",
        "--backend-store-uri",
        "sqlite:///mlflow.sqlite",
        "--port",
        str(port),
    ]


def start_trackio(python: str, port: int) -> list[str]:
    """Return the command of a self-hosted trackio server."""
    code = (
        "import sys, trackio; "
        "trackio.show(open_browser=False, block_thread=True, server_port=int(sys.argv[1]))"
    )
    return [python, "-c", code, str(port)]


def wait_for(url: str, process: subprocess.Popen) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + STARTING
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"error: the server at {url} did not start") from None
            time.sleep(0.2)


def log(python: str, kind: str, url: str, environment: dict[str, str]) -> float:
    """Let clients log at the same time; return how many seconds the last one needed."""
    program = str(HERE / "peer_client.py")
    processes = [
        subprocess.Popen(
            [python, program, kind, url, f"run-{number}", str(ROWS)],
            env=environment,
            cwd=environment["HOME"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(CLIENTS)
    ]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"error: a client of {kind} failed")
    return max(float(output.rpartition("seconds ")[2]) for output in outputs)


def count(folder: Path, statement: str) -> int:
    """Return what a statement counts in the databases of a folder that have its table."""
    found = 0
    for path in folder.rglob("*"):
        if path.suffix in (".sqlite", ".db"):
            database = sqlite3.connect(path)
            with suppress(sqlite3.OperationalError):
                found += database.execute(statement).fetchone()[0]
            database.close()
    return found


def memory_of_all(process: int) -> int:
    """Return how many bytes of memory a process and its descendants hold."""
    statm = Path(f"/proc/{process}/statm").read_text().split()
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    own = int(statm[1]) * os.sysconf("SC_PAGESIZE")
    return own + sum(memory_of_all(int(child)) for child in children)


def tell(report: Report, name: str, seconds: float, kept: int, memory: int, disk: int) -> None:
    """Add one server's row."""
    report.add(
        TITLE,
        {
            "server".rjust(22): name,
            "rows kept": kept,
            "rows/s": CLIENTS * ROWS / seconds,
            "seconds": seconds,
            "memory (MiB)": memory / 2**20,
            "disk (MiB)": disk / 2**20,
        },
        f"{CLIENTS} clients log {ROWS:,} rows of four metrics each, until all are at the server.",
    )
