"""The process for long computations: it answers, it ends with the server, it never blocks it."""

import operator
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.context import SpawnProcess

import pytest

from workshop.server import compute as module
from workshop.server.compute import Compute, ComputeError


@pytest.fixture
def compute() -> Iterator[Compute]:
    compute = Compute()
    yield compute
    compute.close()


def test_it_computes_in_one_other_process(compute: Compute):
    assert compute.run("math:sqrt", 9.0) == 3
    process = compute.run("os:getpid")
    assert process not in (os.getpid(), None)
    assert compute.run("os:getpid") == process


def test_what_the_function_raises_arrives(compute: Compute):
    with pytest.raises(ZeroDivisionError):
        compute.run("operator:truediv", 1, 0)
    assert compute.run("operator:truediv", 1, 2) == operator.truediv(1, 2)


def test_after_its_process_was_killed_the_next_work_is_done(compute: Compute):
    with pytest.raises(ComputeError, match="ended"):
        compute.run("signal:raise_signal", signal.SIGKILL)
    assert compute.run("math:sqrt", 9.0) == 3


def test_work_that_takes_too_long_is_given_up(compute: Compute, monkeypatch):
    compute.run("os:getpid")
    monkeypatch.setattr(module, "LONGEST_WORK", 0.2)
    with pytest.raises(ComputeError, match=r"time:sleep took longer than 0\.2 seconds"):
        compute.run("time:sleep", 60)


def test_no_more_than_a_few_wait(compute: Compute, monkeypatch):
    monkeypatch.setattr(compute, "_places", threading.BoundedSemaphore(1))
    compute.run("os:getpid")
    waiting = threading.Thread(target=compute.run, args=("time:sleep", 0.5))
    waiting.start()
    time.sleep(0.1)
    with pytest.raises(ComputeError, match="waiting"):
        compute.run("os:getpid")
    waiting.join()
    assert compute.run("os:getpid")


def test_it_ends_when_the_server_is_killed():
    code = (
        "import os, signal\n"
        "from workshop.server.compute import Compute\n"
        "if __name__ == '__main__':\n"
        "    print(Compute().run('os:getpid'), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    process, deadline = int(killed.stdout), time.monotonic() + 10
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(process)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_can_be_closed_at_any_moment(compute: Compute, monkeypatch):
    raised = []
    start = SpawnProcess.start

    def slowly(process: SpawnProcess) -> None:
        time.sleep(0.05)
        start(process)

    monkeypatch.setattr(SpawnProcess, "start", slowly)

    def ask() -> None:
        try:
            compute.run("os:getpid")
        except Exception as error:
            raised.append(error)

    for pause in (0, 0.02, 0.04, 0.06, 0.08, 0.2):
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(pause)
        compute.close()
        asking.join()
    assert all(isinstance(error, ComputeError) for error in raised), raised
    assert compute.run("math:sqrt", 9.0) == 3
