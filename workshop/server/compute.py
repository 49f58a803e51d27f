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
from multiprocessing.connection import Connection

MOST_WAITING = 8
LONGEST_WORK = 45  # seconds; an agent waits 60 for the answer to its heartbeat
LONGEST_REST = 600  # seconds


class ComputeError(Exception):
    """The work was not done: the process is busy, was too slow, or ended.  Ask again later."""


class Compute:
    """Runs functions in another process, one after the other."""

    def __init__(self):
        self._lock = threading.Lock()  # held as long as something is computed
        self._guard = threading.Lock()  # held while the process is started or ended
        self._places = threading.BoundedSemaphore(MOST_WAITING)
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
        process = self._process
        if process is None or not process.is_alive():
            self._start()
        connection = self._connection
        try:
            connection.send((function, arguments))
            if connection.poll(LONGEST_WORK):
                return connection.recv()
        except (OSError, EOFError) as error:
            self.close()
            raise ComputeError("The process for long computations ended.") from error
        self.close()
        raise ComputeError(f"{function} took longer than {LONGEST_WORK} seconds.")

    def _start(self) -> None:
        self.close()
        context = multiprocessing.get_context("spawn")
        with self._guard:
            self._connection, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs,), daemon=True)
            process.start()
            self._process = process
            theirs.close()  # or this process would never see that the other one has ended

    def close(self) -> None:
        """End the process, whatever it does."""
        with self._guard:
            if self._process is not None:
                self._process.kill()
                self._process.join()
                self._connection.close()
                self._process = None


def work(connection: Connection) -> None:
    """Compute what is asked, until nothing was asked for long or the server is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends this one
    os.environ["OMP_NUM_THREADS"] = "1"  # trials run on the same machine
    try:
        while connection.poll(LONGEST_REST):
            function, arguments = connection.recv()
            try:
                result = pkgutil.resolve_name(function)(*arguments)
            except Exception as error:
                result = error
            connection.send(result)
    except (EOFError, OSError):
        pass  # the server has ended
