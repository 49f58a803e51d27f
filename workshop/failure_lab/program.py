"""The program of the failure lab: `workshop/wandb_sweep.py` with a fault, on purpose.

    python -m workshop.failure_lab.program FAILURE --learning_rate=0.01 ...

A fault hits only the runs with one learning rate, so that the other runs show what is normal.
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
from workshop.failure_lab import STRUCK, cluster_failures
from workshop.trainer import preemption
from workshop.trainer.config import TrainingConfig, resolve
from workshop.trainer.training import train

if TYPE_CHECKING:
    import wandb


def local_dict(config: TrainingConfig, run: "wandb.Run") -> None:
    """Train with the files' values, and ignore the sweep's."""
    train(resolve({"scale": config.scale}), run)


def crash(config: TrainingConfig, run: "wandb.Run") -> None:
    """Fail in epoch 2, like a program that can't read a picture."""

    def fail() -> None:
        raise RuntimeError("cannot decode image 217: the file is truncated")

    train(config, _Struck(config, run, fail))


def agent_killed(config: TrainingConfig, run: "wandb.Run") -> None:
    """Kill the agent in epoch 2, like a system that runs out of memory."""
    agent = os.getppid()
    if "agent" not in Path(f"/proc/{agent}/cmdline").read_text().split("\0"):
        raise WorkshopError(
            "the failure agent_killed kills the process that started this program, but that isn't "
            "an agent: start the program with `wandb agent`"
        )

    def kill() -> None:
        os.kill(agent, signal.SIGKILL)
        if "SLURM_JOB_ID" in os.environ:
            # SLURM may not end a task's remaining processes; without SLURM, the trial continues.
            os.kill(os.getpid(), signal.SIGKILL)

    # The fault doesn't hit a run that a repair gave to another task.
    train(config, run if run.resumed else _Struck(config, run, kill))


def time_limit(config: TrainingConfig, run: "wandb.Run") -> None:
    """Exceed the task's time limit in epoch 2; a resumed run is fast."""

    def be_slow() -> None:
        _warn()
        _stand_still()

    train(config, run if run.resumed else _Struck(config, run, be_slow))


def cut_off(config: TrainingConfig, run: "wandb.Run") -> None:
    """Pause in epoch 2 until a failure is triggered on the cluster; a resumed run continues."""
    train(config, run if run.resumed else _Struck(config, run, _stand_still))


def _stand_still() -> None:
    print(cluster_failures.STANDS_STILL, flush=True)
    deadline = time.monotonic() + cluster_failures.STILL_S
    while time.monotonic() < deadline:
        preemption.check()
        time.sleep(0.1)


class _Struck:
    """A run with a hook that is called before epoch 2 is logged."""

    def __init__(self, config: TrainingConfig, run: "wandb.Run", happen: Callable[[], None]):
        self._run = run
        self._happen = happen if config.learning_rate == STRUCK else lambda: None

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of the run itself."""
        return getattr(self._run, name)

    def log(self, metrics: dict[str, float], **options: Any) -> None:
        """Log as the run does, but call the hook first in epoch 2."""
        if metrics["Epoch"] == 2:
            self._happen()
        self._run.log(metrics, **options)


def _warn() -> None:
    """Send the warning that SLURM sends before a task's time limit."""
    if job := os.environ.get("SLURM_ARRAY_JOB_ID"):
        task = f"{job}_{os.environ['SLURM_ARRAY_TASK_ID']}"
        # To the batch script, which forwards it, as with #SBATCH --signal=B:USR1.
        subprocess.run(["scancel", "--signal=USR1", "--batch", task], check=True)
    else:
        signal.raise_signal(signal.SIGUSR1)


FAULTS = {fault.__name__: fault for fault in (local_dict, crash, agent_killed, time_limit)}
FAULTS |= dict.fromkeys(cluster_failures.LEVERS, cut_off)
"""The program's faults; the other failures are in the sweep's definition."""

if __name__ == "__main__":
    preemption.listen()
    wandb_sweep.train = FAULTS.get(sys.argv[1], train)
    sys.exit(exit_status(lambda: wandb_sweep.main(sys.argv[2:])))
