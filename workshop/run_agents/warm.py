"""Warm agents: processes that find the libraries loaded.

A fresh process spends seconds on importing PyTorch, and an agent process starts a fresh one for
every run.  Here one process loads them and then forks: its children begin with all of it in
memory.  It never computes anything itself, for neither threads nor CUDA survive a fork.  Python
has such a *fork server* on Linux:
https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from workshop.paths import ROOT
from workshop.run_agents import local, progress
from workshop.trainer import cpus

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["workshop.wandb_sweep"])


def run_warm(path: str, at_once: int = 2, count: int | None = None) -> list[Path]:
    """Run warm agents side by side on this machine.

    Each does its runs within its own process, as `run_in_process` does, and they share
    the CPUs evenly.  The libraries are loaded by the first call, once for all agents and for all
    later calls.  An interrupt ends the agents and their trials.

    Args:
        path: the sweep, `entity/project/ID`.
        at_once: the number of agents.
        count: the number of runs after which each agent ends; without it, it ends when the
            sweep has no more work.

    Returns:
        The agents' log files.

    Raises:
        WorkshopError: an agent itself failed (a failed run is not the agent's failure).
    """
    folder = local.log_folder(path)
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | cpus.shared_by(at_once)
    environment.pop("WANDB_SERVICE", None)  # our client's background process is not the agent's
    started: dict[BaseProcess, Path] = {}
    try:
        for number in range(1, at_once + 1):
            log = folder / f"warm-agent-{number}.log"
            process = _context.Process(target=_agent, args=(path, count, log, environment))
            process.start()
            started[process] = log
        progress.follow(path, lambda: any(process.is_alive() for process in started))
    finally:
        for process in started:
            _end(process)
    for process, log in started.items():
        if process.exitcode:
            raise local.failure(process.exitcode, log)
    return list(started.values())


def _agent(path: str, count: int | None, log: Path, environment: Mapping[str, str]) -> None:
    """Be an agent, in a process that was just forked."""
    os.setsid()  # an interrupt of the notebook reaches us through its process alone
    # The client's agent ends its trial on an interrupt, and waits for it otherwise.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.clear()  # the server's is that of its first call
    os.environ.update(environment)
    os.chdir(ROOT)
    with log.open("w") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    local.run_in_process(path, count)


def _end(process: BaseProcess) -> None:
    """End an agent that still runs, and its trial."""
    if process.is_alive():
        process.terminate()
        process.join(15)
        process.kill()
    process.join()
