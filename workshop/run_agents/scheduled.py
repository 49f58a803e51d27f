"""Run a sweep with its own scheduler: the scheduler process and its agents.

The server doesn't search a sweep whose definition has the section `scheduler`.  Instead `wandb
sweep-scheduler`, a process that you run, asks a search engine for points and sends them to the
server, which gives them to agents as usual.  Without it, agents wait.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workshop.connection import mode
from workshop.paths import ROOT
from workshop.run_agents import interruption, local, progress, warm

POLL_SECONDS = 1.0
"""The scheduler's polling interval.  W&B's default of 10 s suits runs that take minutes."""

END_LIMIT_S = 15.0
"""How long the scheduler may take to notice that its sweep has ended."""


def run_with_scheduler(path: str, at_once: int = 2) -> list[Path]:
    """Run a sweep's scheduler and its warm agents on this machine until the sweep ends.

    An interrupt ends the agents after their trials' current step.  Results are kept: a scheduler
    that is restarted learns from them and continues.

    Args:
        path: the sweep, `entity/project/ID`; its definition needs `run_cap`, or it never ends.
        at_once: the number of agents, and of concurrent runs that the scheduler asks for.

    Returns:
        The log files: the scheduler's, then the agents'.

    Raises:
        WorkshopError: the client's mode keeps runs from the server, or the scheduler or an agent
            failed (a failed run is not the agent's failure), or it was interrupted.
    """
    mode.check(mode.find(folder=ROOT))
    log = local.log_folder(path) / "scheduler.log"
    with (
        interruption.of_processes(path),
        warm.agents(path, at_once) as started,
        _scheduler(path, at_once, log) as scheduler,
    ):
        progress.follow(
            path,
            lambda: not scheduler.poll() and any(agent.is_alive() for agent in started),
        )
        with suppress(subprocess.TimeoutExpired):
            scheduler.wait(timeout=END_LIMIT_S)
        if status := scheduler.poll():
            raise local.failure(status, log, "the scheduler")
    return [log, *warm.logs(started)]


@contextmanager
def _scheduler(path: str, at_once: int, log: Path) -> Iterator[subprocess.Popen]:
    """Run `wandb sweep-scheduler` during the block."""
    command = [sys.executable, "-m", "wandb", "sweep-scheduler"]
    command += ["--batch-size", str(at_once), "--poll-interval", str(POLL_SECONDS), path]
    environment = dict(os.environ)
    environment.pop("WANDB_SERVICE", None)  # our client's background process is not its own
    with log.open("w") as output:
        # In the clone, where the definition's `source` is; in a session of its own, so that an
        # interrupt of the notebook reaches it only through us.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        local.await_end(process)
