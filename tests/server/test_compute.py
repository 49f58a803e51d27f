"""The process for long computations: it answers, it ends with the server, it never blocks it."""

import operator
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

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


@pytest.mark.parametrize("delay", [0, 0.02, 0.5])
def test_closing_ends_it_while_it_starts_or_computes(compute: Compute, delay):
    """Whoever waits is told, and no process is left or started any more."""
    errors = []

    def run():
        try:
            compute.run("time:sleep", 60)
        except ComputeError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(delay)
    compute.close()
    for thread in threads:
        thread.join(timeout=10)
    assert len(errors) == 3
    with pytest.raises(ComputeError, match="ends"):
        compute.run("os:getpid")


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
