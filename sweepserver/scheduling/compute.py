"""A process beside the server for work that takes seconds: Gaussian processes, random forests.

The libraries for these need more memory than all the rest of the server, and while one of them
computes, nobody else should have to wait.  The process starts when it is first needed, and ends
with the server, however that ends, or after a while without work.  It does one thing at a time.

Restarting it costs more than most work, so work is given up by the processor's time that it
takes: on a busy machine it may last longer than its caller waits.  It continues then, and whoever
asks for the same again is given what came out.
"""

import multiprocessing
import os
import pickle
import pkgutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

MOST_CALLERS_WAITING = 8
LONGEST_WAIT_S = 45  # of a caller; an agent waits 60 for the answer to its heartbeat
LONGEST_WORK_S = 45  # of the processor, for one function; its libraries are not counted
LONGEST_TASK_S = 300  # on a machine with other work, until the process is taken for stuck
LONGEST_REST_S = 600  # of the process without work


class ComputeError(Exception):
    """The work wasn't done: the process is busy, was too slow, or ended.  Try again later."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the process does.

    Attributes:
        function: The name of a function.
        arguments: What it is called with, pickled; None if it is only to be imported.
        since: When it was asked for, in the time of `time.monotonic`.
    """

    function: str
    arguments: bytes | None
    since: float = field(default_factory=time.monotonic)

    def is_like(self, other: "Task") -> bool:
        """Return whether two tasks have the same result."""
        return (self.function, self.arguments) == (other.function, other.arguments)


class Compute:
    """Runs functions in another process, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held by whoever has something computed
        self._guard = threading.Lock()  # keeps the process from being ended half started
        self._is_closed = False
        self._places = threading.BoundedSemaphore(MOST_CALLERS_WAITING)
        self._loaded: set[str] = set()  # the functions that the process has imported
        self._task: Task | None = None  # what the process does
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, function: str, *arguments: object) -> Any:
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
        until = time.monotonic() + LONGEST_WAIT_S
        try:
            if not self._lock.acquire(timeout=LONGEST_WAIT_S):
                raise ComputeError(f"Other work takes longer than {LONGEST_WAIT_S} seconds.")
            try:
                result = self._exchange(function, arguments, until)
            finally:
                self._lock.release()
        finally:
            self._places.release()
        if isinstance(result, Exception):
            raise result
        return result

    def _exchange(self, function: str, arguments: tuple, until: float) -> object:
        connection = self._connection
        if connection is None or self._process is None or not self._process.is_alive():
            connection = self._start()
        try:
            if function not in self._loaded:
                self._do(connection, Task(function, None), until)
            return self._do(connection, Task(function, pickle.dumps(arguments)), until)
        except (OSError, EOFError) as error:
            self._stop()
            raise ComputeError("The process for long computations ended.") from error

    def _do(self, connection: Connection, wanted: "Task", until: float) -> object:
        """Return a task's result, after the process has finished its current task."""
        while True:
            if self._task is None:
                self._task = wanted
                connection.send((wanted.function, wanted.arguments, LONGEST_WORK_S))
            task = self._task
            if not connection.poll(max(0, until - time.monotonic())):
                self._give_up(task)
            result = connection.recv()
            self._task = None
            if task.arguments is None:
                self._loaded.add(task.function)
            if task.is_like(wanted):
                return result

    def _give_up(self, task: "Task") -> NoReturn:
        """Raise a ComputeError because a task takes longer than its caller waits."""
        what = f"{task.function} is still {'being loaded' if task.arguments is None else 'running'}"
        if time.monotonic() - task.since < LONGEST_TASK_S:
            raise ComputeError(f"{what} after {LONGEST_WAIT_S} seconds.")
        self._stop()
        raise ComputeError(f"{what} after {LONGEST_TASK_S} seconds, which is too long.")

    def _start(self) -> Connection:
        self._stop()
        self._loaded, self._task = set(), None
        with self._guard:
            if self._is_closed:
                raise ComputeError("The server ends.")
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            self._connection = ours
            self._process = context.Process(target=work, args=(theirs,), daemon=True)
            self._process.start()
            theirs.close()  # or this process would never see that the other one has ended
            return ours

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def kill(self) -> None:
        """End the process for good, whatever it does; callers that wait get a ComputeError."""
        with self._guard:
            self._is_closed = True
            process = self._process  # whoever has it computing may forget it meanwhile
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End the process for good, and wait until it has ended."""
        self.kill()
        with self._lock:
            self._stop()


def work(connection: Connection) -> None:
    """Compute what is asked, until there is nothing to do for long or the server is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends this one
    os.environ["OMP_NUM_THREADS"] = "1"  # trials run on the same machine
    try:
        while connection.poll(LONGEST_REST_S):
            name, arguments, seconds = connection.recv()
            try:
                function = pkgutil.resolve_name(name)
                result = None if arguments is None else limited(function, arguments, seconds)
            except Exception as error:
                result = error
            connection.send(result)
    except (EOFError, OSError):
        pass  # the server has ended


def limited(function: Callable, arguments: bytes, seconds: float) -> object:
    """Return what a function returns, unless it takes too much processor time.

    Args:
        function: The function; it runs in the main thread of this process, which `limited` needs.
        arguments: Its arguments, a pickled tuple from the server itself.
        seconds: How much processor time of this process it may take.

    Raises:
        ComputeError: It takes more.
    """

    def stop(*_: object) -> NoReturn:
        raise ComputeError(f"The computation takes longer than {seconds:g} seconds.")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return function(*pickle.loads(arguments))  # noqa: S301
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
