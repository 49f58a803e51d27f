"""A trial without torch whose learning rate is its fate: at first some stand still until they end.

What is warned ends as the trainer does, and goes on in another start, where it just finishes.
"""

import os
import sys
import time
from pathlib import Path

import wandb

from workshop.initialize import registration
from workshop.trainer import preemption
from workshop.trainer.wandb_run import finishing

FINISHES, FAILS = 0.1, 0.2
STANDS_STILL = 0.5  # and all above


def register(*rates: float, project: str = "rehearsal") -> str:
    """Register a grid over the learning rate; return its path."""
    config = {
        "program": str(Path(__file__)),
        "command": ["${env}", "python", "-m", "tests.rehearsal.trial", "${args}"],
        "method": "grid",
        "parameters": {"learning_rate": {"values": list(rates)}},
    }
    return registration.register(config, project)


def main() -> int:
    """Meet the fate."""
    preemption.listen()
    run = wandb.init(resume="allow")
    with finishing(run):
        rate = run.config["learning_rate"]
        if not run.resumed:
            run.log({"Validation Accuracy": 0})
            print("stands still" if rate >= STANDS_STILL else "goes on", flush=True)
            while rate >= STANDS_STILL:
                preemption.check()
                time.sleep(0.1)
        if rate == FAILS:
            raise ValueError("this learning rate fails")
        run.log({"Validation Accuracy": 100 * rate})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except preemption.Preempted as warning:
        print(warning, flush=True)
        sys.exit(os.EX_TEMPFAIL)
