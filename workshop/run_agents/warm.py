"""Warm agents: processes that start with the libraries already loaded, by a fork server.

A new process takes seconds to import PyTorch, and an agent starts a new one for every run.  Here
one process loads the libraries and then forks, so its children start with everything in memory.
It never computes anything itself, because neither threads nor CUDA survive a fork.  Python has
such a *fork server* on Linux:
https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from workshop.connection import mode
from workshop.initialize.registration import get
from workshop.paths import ROOT
from workshop.run_agents import interruption, local, progress
from workshop.trainer import cpus

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["workshop.wandb_sweep"])


def run_warm(path: str, at_once: int = 2, count: int | None = None) -> list[Path]:
    """Run warm agents on this machine.

    Each does its runs in its own process, as `run_in_process` does, and they share the CPUs evenly.
    The first call loads the libraries, once for all agents and all later calls.  All use the same
    GPU, if there is one; `run_processes` can give each agent its own.  An interrupt ends the agents
    after their trials' current step, and the trials' runs go back to the sweep.

    Args:
        path: the sweep, `entity/project/ID`.
        at_once: the number of agents.
        count: the number of runs after which each agent ends; by default it ends when the sweep
            has no more work.

    Returns:
        The agents' log files.

    Raises:
        WorkshopError: the sweep's program isn't the trainer, an agent itself failed (a failed run
            is not the agent's failure), or it was interrupted.
    """
    config = get(path).config
    local.check_trainer(path, config)
    local.say_who_searches(path, config)
    with interruption.of_processes(path), agents(path, at_once, count) as started:
        progress.follow(path, lambda: any(agent.is_alive() for agent in started))
    return logs(started)


@contextmanager
def agents(path: str, at_once: int, count: int | None = None) -> Iterator[dict[BaseProcess, Path]]:
    """Start warm agents, and interrupt those that are still running at the end of the block.

    Args:
        path: the sweep, `entity/project/ID`.
        at_once: the number of agents.
        count: as in `run_warm`.

    Yields:
        The agents' processes, each with its log file.
    """
    folder = local.log_folder(path)
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | cpus.shared_by(at_once)
    environment.pop("WANDB_SERVICE", None)  # our client's background process is not the agent's
    # multiprocessing looks at it, and `%reset` in a notebook deletes it.
    vars(sys.modules["__main__"]).setdefault("__spec__", None)
    started: dict[BaseProcess, Path] = {}
    try:
        for number in range(1, at_once + 1):
            log = folder / f"warm-agent-{number}.log"
            agent = _context.Process(target=_agent, args=(path, count, log, environment))
            agent.start()
            started[agent] = log
        yield started
    finally:
        for process in started:
            _interrupt(process)
        for process in started:
            _end(process)


def logs(ended: Mapping[BaseProcess, Path]) -> list[Path]:
    """Return the log files of agents that have ended.

    Raises:
        WorkshopError: one of them failed.
    """
    for process, log in ended.items():
        if process.exitcode:
            raise local.failure(process.exitcode, log)
    return list(ended.values())


def _agent(path: str, count: int | None, log: Path, environment: Mapping[str, str]) -> None:
    """Run an agent in a process that was just forked."""
    os.setsid()  # so that an interrupt of the notebook reaches us only through its process
    os.environ.clear()  # the fork server's environment is that of its first call
    os.environ.update(environment)
    os.chdir(ROOT)
    with log.open("w") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    mode.check(mode.here())
    local.check_trainer(path, get(path).config)
    local.run_agent(path, count)


def _interrupt(process: BaseProcess) -> None:
    """Interrupt an agent that is still running, so that it ends after its trial's current step."""
    if process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGINT)


def _end(process: BaseProcess) -> None:
    """Wait for an agent that was interrupted, and kill it after a timeout."""
    process.join(interruption.TRIAL_LIMIT_S + 10)
    process.kill()
    process.join()
