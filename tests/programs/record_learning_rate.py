"""Run `workshop.wandb_sweep`, and write down the learning rate of every optimizer step.

It is read where torch itself begins a step, whatever the trainer says about it.  Each change is a
line of JSON, `{"run": ..., "lr": ...}`, in the file that RECORDED_LEARNING_RATES names.
"""

import json
import os
import sys
from pathlib import Path

from torch.optim.optimizer import register_optimizer_step_pre_hook

from workshop.errors import exit_status
from workshop.wandb_sweep import main

last = None


def record(optimizer, args, kwargs):
    global last
    for group in optimizer.param_groups:
        line = json.dumps({"run": os.environ["WANDB_RUN_ID"], "lr": group["lr"]})
        if line != last:
            last = line
            with Path(os.environ["RECORDED_LEARNING_RATES"]).open("a") as file:
                print(line, file=file)


if __name__ == "__main__":
    register_optimizer_step_pre_hook(record)
    sys.exit(exit_status(lambda: main(sys.argv[1:])))
