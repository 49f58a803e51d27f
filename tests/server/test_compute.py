"""The process for long computations: it answers, it ends with the server, it never blocks it."""

import operator
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweepserver.scheduling import compute as module
from sweepserver.scheduling.compute import Compute, ComputeError
from tests.waiting import patience, wait_for


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


def test_work_that_takes_too_much_of_the_processor_is_given_up(
    compute: Compute, monkeypatch, tmp_path
):
    (tmp_path / "long_work.py").write_text("def work():\n    while True: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    process = compute.run("os:getpid")
    monkeypatch.setattr(module, "LONGEST_WORK_S", 0.2)
    with pytest.raises(ComputeError, match=r"takes longer than 0\.2 seconds"):
        compute.run("long_work:work")
    assert compute.run("os:getpid") == process


@pytest.fixture
def gate(compute: Compute, monkeypatch, tmp_path) -> Path:
    """The file for which the work `lasting:work` waits; each time it begins leaves a line."""
    gate = tmp_path / "gate"
    (tmp_path / "lasting.py").write_text(
        "import pathlib, time\n"
        "def work():\n"
        f"    with open({str(tmp_path / 'begun')!r}, 'a') as begun: print('begun', file=begun)\n"
        f"    while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    gate.touch()
    compute.run("lasting:work")  # from now on it is loaded
    gate.unlink()
    (tmp_path / "begun").unlink()
    return gate


def test_work_that_lasts_goes_on_and_is_found_by_who_asks_again(
    compute: Compute, monkeypatch, gate
):
    """On a busy machine, a process that is ended for its slowness only becomes slower."""
    process = compute.run("os:getpid")
    with monkeypatch.context() as patch:
        patch.setattr(module, "LONGEST_WAIT_S", 0.1)
        for _ in range(2):
            with pytest.raises(ComputeError, match=r"lasting:work is still running after 0\.1"):
                compute.run("lasting:work")
    gate.touch()
    assert compute.run("lasting:work") is None
    assert (gate.parent / "begun").read_text() == "begun\n", "once"
    assert compute.run("os:getpid") == process


def test_other_work_is_done_after_what_goes_on(compute: Compute, monkeypatch, gate):
    process = compute.run("os:getpid")
    with monkeypatch.context() as patch:
        patch.setattr(module, "LONGEST_WAIT_S", 0.1)
        with pytest.raises(ComputeError):
            compute.run("lasting:work")
    gate.touch()
    assert compute.run("os:getpid") == process


def test_work_that_never_ends_is_given_up(compute: Compute, monkeypatch):
    process = compute.run("os:getpid")
    compute.run("time:sleep", 0)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(module, "LONGEST_TASK_S", 0)
    with pytest.raises(ComputeError, match="still running after 0 seconds, which is too long"):
        compute.run("time:sleep", 60)
    monkeypatch.undo()
    assert compute.run("os:getpid") != process


def test_loading_goes_on_after_whoever_asked_was_told_to_ask_again(
    compute: Compute, monkeypatch, tmp_path
):
    gate = tmp_path / "gate"
    source = f"import pathlib, os\nwhile not pathlib.Path({str(gate)!r}).exists(): pass\n"
    (tmp_path / "large_library.py").write_text(f"{source}def work(): return os.getpid()\n")
    monkeypatch.syspath_prepend(tmp_path)
    process = compute.run("os:getpid")
    with monkeypatch.context() as patch:
        patch.setattr(module, "LONGEST_WAIT_S", 0.1)
        for _ in range(2):
            with pytest.raises(ComputeError, match=r"large_library:work is still being loaded"):
                compute.run("large_library:work")
    gate.touch()
    assert compute.run("large_library:work") == process


def test_loading_that_never_ends_is_given_up(compute: Compute, monkeypatch, tmp_path):
    (tmp_path / "endless_library.py").write_text("while True: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    process = compute.run("os:getpid")
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.1)
    monkeypatch.setattr(module, "LONGEST_TASK_S", 0)
    with pytest.raises(ComputeError, match="still being loaded after 0 seconds, which is too long"):
        compute.run("endless_library:work")
    monkeypatch.undo()
    assert compute.run("os:getpid") != process


def test_no_more_than_a_few_wait(compute: Compute, monkeypatch, gate):
    monkeypatch.setattr(compute, "_places", threading.BoundedSemaphore(1))
    compute.run("os:getpid")
    waiting = threading.Thread(target=compute.run, args=("lasting:work",))
    waiting.start()
    wait_for(compute._lock.locked)
    with pytest.raises(ComputeError, match="waiting"):
        compute.run("os:getpid")
    gate.touch()
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
        thread.join(timeout=patience(180))
    assert len(errors) == 3
    with pytest.raises(ComputeError, match="ends"):
        compute.run("os:getpid")


def test_it_ends_when_the_server_is_killed():
    code = (
        "import os, signal\n"
        "from sweepserver.scheduling.compute import Compute\n"
        "if __name__ == '__main__':\n"
        "    print(Compute().run('os:getpid'), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    wait_for(lambda: not is_alive(int(killed.stdout)))


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
