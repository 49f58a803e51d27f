"""The program of the failure lab: `workshop/wandb_sweep.py`, with a fault put in on purpose.

    python -m workshop.failure_lab.program FAILURE --learning_rate=0.01 ...

A fault strikes the runs with one learning rate, so that the other runs show what is normal.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop import wandb_sweep
from workshop.errors import WorkshopError, exit_status
from workshop.failure_lab import STRUCK
from workshop.trainer import preemption
from workshop.trainer.config import TrainingConfig, resolve
from workshop.trainer.training import train

if TYPE_CHECKING:
    import wandb


def local_dict(config: TrainingConfig, run: "wandb.Run") -> None:
    """Train with what the files say, whatever the sweep picked."""
    train(resolve({"scale": config.scale}), run)


def crash(config: TrainingConfig, run: "wandb.Run") -> None:
    """Fail in epoch 2, as a program does that meets a picture which it cannot read."""

    def fail() -> None:
        raise RuntimeError("cannot decode image 217: the file is truncated")

    train(config, _Struck(config, run, fail))


def agent_killed(config: TrainingConfig, run: "wandb.Run") -> None:
    """Kill the agent in epoch 2, as the system does that has no memory left."""
    agent = os.getppid()
    if "agent" not in Path(f"/proc/{agent}/cmdline").read_text().split("\0"):
        raise WorkshopError(
            "the failure agent_killed kills the process that started this program, which is no "
            "agent: start it with `wandb agent`"
        )

    def kill() -> None:
        os.kill(agent, signal.SIGKILL)
        if "SLURM_JOB_ID" in os.environ:
            # SLURM may or may not end what a task leaves behind; elsewhere the trial goes on alone.
            os.kill(os.getpid(), signal.SIGKILL)

    train(config, _Struck(config, run, kill))


def time_limit(config: TrainingConfig, run: "wandb.Run") -> None:
    """Take longer for epoch 2 than this task has; the next one that gets the run is faster."""

    def be_slow() -> None:
        _warn()
        while True:
            preemption.check()
            time.sleep(0.1)

    train(config, run if run.resumed else _Struck(config, run, be_slow))


class _Struck:
    """A run for which something happens when epoch 2 is about to be logged."""

    def __init__(self, config: TrainingConfig, run: "wandb.Run", happen: Callable[[], None]):
        self._run = run
        self._happen = happen if config.learning_rate == STRUCK else lambda: None

    def __getattr__(self, name: str) -> Any:
        """Return what the run itself has."""
        return getattr(self._run, name)

    def log(self, metrics: dict[str, float], **options: Any) -> None:
        """Log as the run does, in epoch 2 after what is to happen."""
        if metrics["Epoch"] == 2:
            self._happen()
        self._run.log(metrics, **options)


def _warn() -> None:
    """Send the warning that SLURM sends before a task's time limit."""
    if job := os.environ.get("SLURM_ARRAY_JOB_ID"):
        task = f"{job}_{os.environ['SLURM_ARRAY_TASK_ID']}"
        # To the batch script, as with #SBATCH --signal=B:USR1, which hands it on.
        subprocess.run(["scancel", "--signal=USR1", "--batch", task], check=True)
    else:
        signal.raise_signal(signal.SIGUSR1)


FAULTS = {fault.__name__: fault for fault in (local_dict, crash, agent_killed, time_limit)}
"""Faults of the program; those of the other failures lie in the sweep's definition."""

if __name__ == "__main__":
    preemption.listen()
    wandb_sweep.train = FAULTS.get(sys.argv[1], train)
    sys.exit(exit_status(lambda: wandb_sweep.main(sys.argv[2:])))
