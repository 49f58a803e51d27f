"""It refuses to write over what its last run has written."""

import os
from pathlib import Path

import wandb
from training import losses

with wandb.init(config={"lr": 0.1}) as run, Path(os.environ["WANDB_DIR"], "losses").open("x"):
    for loss in losses(run.config["lr"]):
        run.log({"val_loss": loss})
