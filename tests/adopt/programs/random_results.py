"""No seed: equal values give other results each time."""

import random

import wandb
from training import losses

with wandb.init(config={"lr": 0.1, "momentum": 0.5}) as run:
    for loss in losses(run.config["lr"]):
        run.log({"val_loss": loss * random.uniform(0.1, 10)})
