"""A trial without torch: logs one number, or ends badly if its learning rate asks for it."""

import json
import os
import signal
from pathlib import Path

import wandb

RAISES, DIES = 2.0, 3.0

if __name__ == "__main__":
    with wandb.init() as run:
        Path(os.environ["WANDB_DIR"], "environment.json").write_text(json.dumps(dict(os.environ)))
        rate = run.config["learning_rate"]
        if rate == RAISES:
            raise ValueError("this learning rate raises")
        if rate == DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        run.log({"Validation Accuracy": 100 * rate})
