"""Run a sweep's agents on this machine: step 3 without SLURM.

An agent asks the server for a run's configuration, runs the program with it, and asks again.
Here it is either a thread of this process, which keeps the libraries loaded between runs, or a
`wandb agent` process of its own, as on a cluster.
"""

import gc
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workshop.connection import client_variables, mode
from workshop.errors import WorkshopError
from workshop.paths import ROOT, home, shown
from workshop.run_agents import progress
from workshop.trainer import cpus


def run_in_process(
    path: str, count: int | None = None, program: Callable[[], object] | None = None
) -> int:
    """Run an agent in this process until the sweep has no more work.

    Args:
        path: the sweep, `entity/project/ID`.
        count: the number of runs after which to stop anyway.
        program: what the agent calls for each run; without it, the trainer's `main`.

    Returns:
        The number of runs that failed; each has said why in its output.

    Raises:
        WorkshopError: the client's mode keeps runs from the server.
    """
    import wandb

    mode.check(mode.here())

    if program is None:
        # Not at the top: with it come PyTorch and seconds, which agents' processes pay themselves.
        from workshop.wandb_sweep import main as program

    failed = 0

    def trial() -> None:
        nonlocal failed
        try:
            program()
        except WorkshopError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
        finally:
            _free_memory()

    with _agent_in_this_process():
        wandb.agent(path, function=trial, count=count)
    return failed


def run_processes(
    path: str, tasks: int = 2, at_once: int = 2, count: int | None = None
) -> list[Path]:
    """Run `wandb agent` processes on this machine, as the array `1-TASKS%AT_ONCE` would.

    The processes that run side by side share the CPUs evenly.  An interrupt ends them and
    their trials.

    Args:
        path: the sweep, `entity/project/ID`.
        tasks: the number of processes in all.
        at_once: how many of them run side by side.
        count: the number of runs after which each process ends (`--count`); without it, it
            ends when the sweep has no more work.

    Returns:
        The processes' log files.

    Raises:
        WorkshopError: the client's mode keeps runs from the server, an agent itself failed, or it
            could not start the sweep's program (a run that fails otherwise is not the agent's
            failure).
    """
    mode.check(mode.find(folder=ROOT))
    folder = log_folder(path)
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [folder / f"agent-{number}.log" for number in range(tasks, 0, -1)]
    logs: dict[subprocess.Popen, Path] = {}

    def working() -> bool:
        running = sum(agent.poll() is None for agent in logs)
        while waiting and running < at_once:
            log = waiting.pop()
            logs[_start_agent(path, at_once, count, log)] = log
            running += 1
        return running > 0

    try:
        progress.follow(path, working)
    finally:
        for agent in logs:
            _end(agent)
    for agent, log in logs.items():
        if agent.returncode:
            raise failure(agent.returncode, log)
        if refusal := _refusal(log):
            raise WorkshopError(
                f"the sweep's program was not started ({refusal}), so its runs failed, see "
                f"{shown(log)}: correct `program` and `command` in a new sweep, or the file itself"
            )
    return list(logs.values())


def failure(status: int, log: Path) -> WorkshopError:
    """Return what to say of an agent that did not end well."""
    last_line = (log.read_text().strip().splitlines() or ["nothing"])[-1]
    return WorkshopError(
        f"an agent ended with exit status {status}; its log {shown(log)} ends with: {last_line}"
    )


def _refusal(log: Path) -> str:
    """Return why an agent could not start a run's program, in one line; empty if it always could.

    The program itself has said nothing then.  What stands first after its command is from `env`,
    from Python, which finds no such file or module, or from the agent, whose traceback follows.
    """
    for part in log.read_text(errors="replace").split("About to run command: ")[1:]:
        _, *lines = part.splitlines()
        if lines and "Exception while processing command" in lines[0]:
            return next((line for line in lines[2:] if not line.startswith(" ")), lines[0])
        if lines and re.match(r"(\S*/)?(env|python[\d.]*): ", lines[0]):
            return lines[0]
    return ""


def log_folder(path: str) -> Path:
    """Return the folder with the logs of a sweep's agent processes."""
    return home() / "logs" / path.rsplit("/", 1)[-1]


def _start_agent(path: str, at_once: int, count: int | None, log: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "wandb", "agent"]
    # The agent passes the end on to its trial, and does not wait for it longer than this.
    command += ["--forward-signals", "--term-timeout", "5"]
    if count is not None:
        command += ["--count", str(count)]
    environment = os.environ | cpus.shared_by(at_once)
    environment.pop("WANDB_SERVICE", None)  # our client's background process is not the agent's
    with log.open("w") as output:
        # A session of its own, so that an interrupt of the notebook reaches it through us alone.
        return subprocess.Popen(
            [*command, path], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _end(agent: subprocess.Popen) -> None:
    """End an agent that still runs, and the trial that it started."""
    if agent.poll() is None:
        agent.terminate()
        try:
            agent.wait(timeout=15)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()


@contextmanager
def _agent_in_this_process() -> Iterator[None]:
    """Keep the client from changing this process, and from drowning the trial's own lines."""
    hook = threading.excepthook
    threading.excepthook = lambda failure: _is_harmless(failure) or hook(failure)
    try:
        with client_variables.restored():
            os.environ["WANDB_SILENT"] = "true"
            yield
    finally:
        threading.excepthook = hook


def _is_harmless(failure: threading.ExceptHookArgs) -> bool:
    """Recognise the client's own clean-up, which fails after each run: what it frees is gone."""
    return failure.thread is not None and failure.thread.name == "wandb-ServiceFinalizer"


def _free_memory() -> None:
    """Give the ended trial's memory back, which the next trial in this process needs."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
