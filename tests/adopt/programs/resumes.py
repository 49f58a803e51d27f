"""It survives a warning, hands its run back, and resumes where it was."""

import os
import signal
import sys
import time
from pathlib import Path

import wandb
from training import losses

warned = []
signal.signal(signal.SIGUSR1, lambda *_: warned.append(True))
with wandb.init(config={"lr": 0.1, "epochs": 8}, resume="allow") as run:
    checkpoint = Path(os.environ["WANDB_DIR"], f"{run.id}.epoch")
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for epoch, loss in enumerate(losses(run.config["lr"], epochs=run.config["epochs"])):
        if epoch < done:
            continue
        run.log({"val_loss": loss}, step=epoch)
        checkpoint.write_text(str(epoch + 1))
        time.sleep(0.5)
        if warned:
            run.mark_preempting()
            run.finish(exit_code=os.EX_TEMPFAIL)
            sys.exit(os.EX_TEMPFAIL)
