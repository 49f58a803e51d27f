"""A real server for the tests: as a process of its own, or in this process without a socket."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.server.world import World
from workshop.server.app import make_app
from workshop.server.auth import Gate
from workshop.server.keys import key_file, read_key
from workshop.server.store import Store

KEY = "local-" + "0123456789" * 4


@dataclass
class RunningServer:
    """A server process.

    Attributes:
        process: The process.
        url: Where it listens.
        store: The folder of its store.
        home: A folder for everything that clients write.
        clients: The commands that were started against it.
    """

    process: subprocess.Popen
    url: str
    store: Path
    home: Path
    clients: list[subprocess.Popen] = field(default_factory=list)

    @property
    def key(self) -> str:
        return read_key(key_file(self.store, "local"))

    def environment(self) -> dict[str, str]:
        """Return the environment in which wandb speaks to this server and writes nothing else."""
        netrc = self.home / "netrc"
        host = self.url.removeprefix("http://")
        login = f"machine {host}\n login user\n password {self.key}\n"
        if not netrc.exists() or netrc.read_text() != login:
            # Replaced at once, because clients that are running read it.
            with tempfile.NamedTemporaryFile("w", dir=self.home, delete=False) as file:
                file.write(login)  # mode 0600
            Path(file.name).replace(netrc)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        return inherited | {
            "HOME": str(self.home),
            "NETRC": str(netrc),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "WANDB_BASE_URL": self.url,
            "WANDB_DIR": str(self.home),
            "WANDB_CACHE_DIR": str(self.home / "cache"),
            "WANDB_DATA_DIR": str(self.home / "data"),
            "WANDB_CONFIG_DIR": str(self.home / "config"),
            "WANDB_X_DISABLE_STATS": "true",
            "WANDB_X_SAVE_REQUIREMENTS": "false",
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "1",
            "WANDB_ERROR_REPORTING": "false",
        }

    def popen(self, *command: str, **changes: str) -> subprocess.Popen:
        """Start a command that uses wandb; `changes` are for its environment."""
        process = subprocess.Popen(
            command,
            env=self.environment() | changes,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.clients.append(process)
        return process

    def run(self, *command: str, timeout: float = 60, **changes: str) -> tuple[int, str]:
        """Run a command that uses wandb; return its exit status and what it printed."""
        process = self.popen(*command, **changes)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            pytest.fail(f"{command} did not end in {timeout} s:\n{output}")
        return process.returncode, output

    def python(self, code: str, *arguments: str, timeout: float = 60, **changes: str) -> object:
        """Run Python code that uses wandb; return the JSON of the last line it printed."""
        status, output = self.run(
            sys.executable, "-c", code, *arguments, timeout=timeout, **changes
        )
        assert status == 0, output
        return json.loads(output.splitlines()[-1])

    def graphql(self, query: str) -> dict:
        """Execute a GraphQL document and return its data."""
        reply = httpx2.post(f"{self.url}/graphql", auth=("api", self.key), json={"query": query})
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    def kill(self) -> None:
        """End the server at once, as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop the server as a user does, and what a test that failed left running."""
        for client in self.clients:
            client.kill()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)


def launch(
    store: Path, home: Path, port: int = 0, arguments: tuple[str, ...] = (), **options
) -> RunningServer:
    """Start a server on a store and wait until it serves."""
    home.mkdir(parents=True, exist_ok=True)
    log = (home / "server.log").open("a")
    command = [sys.executable, "-m", "workshop.server", "--store", str(store), "--port", str(port)]
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        **options,
    )
    line = process.stdout.readline()
    if " at " not in line:
        process.kill()
        pytest.fail(f"The server did not start: {(home / 'server.log').read_text()}")
    return RunningServer(process, line.split(" at ")[1].split()[0], store, home)


@pytest.fixture(scope="session")
def local_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server process for all tests that need no particular store."""
    folder = tmp_path_factory.mktemp("server")
    server = launch(folder / "store", folder / "home")
    yield server
    server.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers on the test's own folder and stops what is left of them at its end."""
    servers = []

    def start(
        *arguments: str, store: Path = tmp_path / "store", port: int = 0, **options
    ) -> RunningServer:
        servers.append(launch(store, tmp_path / "home", port, arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    store = Store(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def world(store: Store) -> World:
    """A sweep of two points whose agents and runs the test plays."""
    return World(store)


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    """The application on a fresh store, asked without a socket and with the right key."""
    app = make_app(store, Gate(store, KEY))
    with TestClient(
        app, base_url="http://127.0.0.1", raise_server_exceptions=False, follow_redirects=False
    ) as client:
        client.auth = ("api", KEY)
        yield client


@pytest.fixture
def graphql(client: TestClient) -> Callable[..., dict]:
    """Executes a GraphQL document and returns its data."""

    def execute(query: str, **variables) -> dict:
        reply = client.post("/graphql", json={"query": query, "variables": variables})
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    return execute
