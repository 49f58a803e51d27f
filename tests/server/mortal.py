"""A server that can be killed often: starting it again takes a few hundredths of a second.

`python -m tests.server.mortal FOLDER PORT` imports the server once.  For each line on its standard
input it ends the server that it has, as `kill -9` does, and starts the next one.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from sweepserver.__main__ import main
from sweepserver.people.keys import key_file, read_key
from tests.ports import free_ports
from tests.waiting import wait_for

STARTED = "started\n"


class MortalServer:
    """A server on a fresh folder and port.

    Args:
        folder: Where its store shall be, and its log.
    """

    def __init__(self, folder: Path):
        (self._port,) = free_ports(1)
        self.store, self.log = folder / "store", folder / "log"
        self.url = f"http://127.0.0.1:{self._port}"
        with self.log.open("w") as log:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self.store), str(self._port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.restart()

    @property
    def key(self) -> str:
        return read_key(key_file(self.store, "local"))

    def restart(self) -> None:
        """Kill the server and start it again; return when it listens."""
        print(file=self._parent.stdin, flush=True)
        assert self._parent.stdout.readline() == STARTED, self.log.read_text()
        wait_for(self._listens, self.log.read_text, every=0.005)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
        except OSError:
            return False
        return key_file(self.store, "local").exists()

    def close(self) -> None:
        """Kill the server for the last time."""
        self._parent.stdin.close()
        self._parent.wait()


def serve_and_die(store: str, port: str) -> None:
    """Start a server for each line of standard input, killing the one before."""
    process = None
    for _ in sys.stdin:
        kill(process)
        process = os.fork()
        if not process:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            sys.exit(main(["--store", store, "--port", port]))
        print(STARTED, end="", flush=True)
    kill(process)


def kill(process: int | None) -> None:
    """Kill a process, if there is one, and wait for its end."""
    if process:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


if __name__ == "__main__":
    serve_and_die(*sys.argv[1:])
