"""A trial whose learning rate is its fate; with some it is the real trainer, else without torch.

A fate that comes from outside (a signal, a node that fails) is waited for: the trial stands still
after its second epoch until it is interrupted.  A trial that starts once more just trains.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import wandb

FINISHES, REQUEUED, WARNED = 0.001, 0.002, 0.003  # the real trainer
NODE_FAILS, DRIVEN_OUT = 0.004, 0.005  # and these
LIGHT, KILLED, RAISES, HOGS, DIES = 0.1, 0.2, 0.3, 0.4, 0.5
# Killed as well, by SIGTERM: to the task by `scancel`, to its script alone, to all its processes.
CANCELLED, TERMINATED, SWEPT = 0.21, 0.22, 0.23
ENDED = (KILLED, CANCELLED, TERMINATED, SWEPT)


def register(*rates: float, is_controlled: bool = False, **parameters) -> str:
    """Register a grid over the learning rate; return its path.

    If it is controlled, its points come from a controller of its user's, which does not run.
    """
    config = {
        "program": str(Path(__file__)),
        "command": ["${env}", "python", "-m", "tests.slurm.trial", "${args}"],
        "method": "grid",
        "parameters": {name: {"value": value} for name, value in parameters.items()}
        | {"learning_rate": {"values": list(rates)}},
    }
    if is_controlled:
        config["controller"] = {"type": "local"}
    sweep_id = wandb.sweep(config, project="slurm")
    return f"{wandb.Api().default_entity}/slurm/{sweep_id}"


def main() -> int:
    """Meet the fate."""
    rate = float(next(word for word in sys.argv if "learning_rate" in word).partition("=")[2])
    if rate < LIGHT:
        return trainer(rate)
    with wandb.init(resume="allow") as run:
        folder = Path(os.environ["WANDB_DIR"])
        (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
        job, task = os.environ["SLURM_ARRAY_JOB_ID"], os.environ["SLURM_ARRAY_TASK_ID"]
        run.summary["Array Task"] = f"{job}_{task}"
        if run.resumed:
            rate = LIGHT
        run.log({"Validation Accuracy": 0}, step=run.starting_step)
        if rate == RAISES:
            raise ValueError("this learning rate raises")
        if rate == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        hog = []
        while rate in (*ENDED, HOGS):
            time.sleep(0.1)
            if rate == HOGS:
                hog.append(os.urandom(100 << 20))
        run.log({"Validation Accuracy": 100 * rate})
    return 0


def trainer(rate: float) -> int:
    from workshop import wandb_sweep
    from workshop.trainer import preemption, training

    train_epoch = training.train_epoch
    epochs = []

    def standing_still(*arguments):
        epochs.append(1)
        while rate != FINISHES and len(epochs) > 2:
            preemption.check()
            time.sleep(0.1)
        return train_epoch(*arguments)

    if not int(os.environ.get("SLURM_RESTART_COUNT", "0")):
        training.train_epoch = standing_still
    preemption.listen()
    return wandb_sweep.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
