"""It looks for its data where a variable says."""

import os

import wandb

with wandb.init(config={"lr": 0.1}) as run:
    run.log({"loss": len(os.environ["MY_DATA_FOLDER"])})
