"""A process beside the server for work that takes seconds: Gaussian processes, random forests.

The libraries for these need more memory than all the rest of the server, and while one of them
computes, nobody else should have to wait.  The process starts when it is first needed, and ends
with the server, however that ends, or after a while without work.  It does one thing at a time.
"""

import multiprocessing
import os
import pkgutil
import signal
import threading
import time
from multiprocessing.connection import Connection

MOST_WAITING = 8
LONGEST_WORK = 45  # seconds; an agent waits 60 for the answer to its heartbeat
LONGEST_LOADING = 300  # seconds, of libraries on a machine with other work
LONGEST_REST = 600  # seconds


class ComputeError(Exception):
    """The work was not done: the process is busy, was too slow, or ended.  Ask again later."""


class Compute:
    """Runs functions in another process, one after the other."""

    def __init__(self):
        self._lock = threading.Lock()  # held by whoever has something computed
        self._guard = threading.Lock()  # keeps the process from being ended half started
        self._is_closed = False
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._loaded: set[str] = set()  # the functions that the process has imported
        self._loading: tuple[str, float] | None = None  # and the one since when
        self._process: multiprocessing.Process | None = None
        self._connection: Connection | None = None

    def run(self, function: str, *arguments: object) -> object:
        """Return what a function returns, computed in the other process.

        Args:
            function: Its name as `package.module:function`; only the other process imports it.
            arguments: Values that can be pickled.

        Raises:
            ComputeError: The work was not done.
            Exception: What the function raised.
        """
        if not self._places.acquire(blocking=False):
            raise ComputeError("Too much work is waiting already.")
        try:
            with self._lock:
                result = self._exchange(function, arguments)
        finally:
            self._places.release()
        if isinstance(result, Exception):
            raise result
        return result

    def _exchange(self, function: str, arguments: tuple) -> object:
        if self._process is None or not self._process.is_alive():
            self._start()
        try:
            self._load(function)
            self._connection.send((function, arguments))
            if self._connection.poll(LONGEST_WORK):
                return self._connection.recv()
        except (OSError, EOFError) as error:
            self._stop()
            raise ComputeError("The process for long computations ended.") from error
        self._stop()
        raise ComputeError(f"{function} took longer than {LONGEST_WORK} seconds.")

    def _load(self, function: str) -> None:
        """Let the process import a function and its libraries, which may take a while.

        Importing goes on after a ComputeError, so that whoever asks again finds it further.
        """
        while function not in self._loaded:
            if self._loading is None:
                self._connection.send((function, None))
                self._loading = function, time.monotonic()
            name, since = self._loading
            if self._connection.poll(LONGEST_WORK):
                self._connection.recv()
                self._loaded.add(name)
                self._loading = None
            elif time.monotonic() - since < LONGEST_LOADING:
                raise ComputeError(f"{name} is still being loaded.")
            else:
                self._stop()
                raise ComputeError(f"{name} took longer than {LONGEST_LOADING} seconds to load.")

    def _start(self) -> None:
        self._stop()
        self._loaded, self._loading = set(), None
        with self._guard:
            if self._is_closed:
                raise ComputeError("The server ends.")
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=work, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()  # or this process would never see that the other one has ended

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def close(self) -> None:
        """End the process for good, whatever it does; who waits for it gets a ComputeError."""
        with self._guard:
            self._is_closed = True
            process = self._process  # whoever has it computing may forget it meanwhile
            if process is not None:
                process.kill()
        with self._lock:
            self._stop()


def work(connection: Connection) -> None:
    """Compute what is asked, until nothing was asked for long or the server is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends this one
    os.environ["OMP_NUM_THREADS"] = "1"  # trials run on the same machine
    try:
        while connection.poll(LONGEST_REST):
            function, arguments = connection.recv()
            try:
                found = pkgutil.resolve_name(function)
                result = None if arguments is None else found(*arguments)
            except Exception as error:
                result = error
            connection.send(result)
    except (EOFError, OSError):
        pass  # the server has ended
