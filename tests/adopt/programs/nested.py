"""As it should be: parameters in groups."""

import wandb
from training import losses

DEFAULTS = {"optimizer": {"lr": 0.1, "momentum": 0.5}, "epochs": 4}
with wandb.init(config=DEFAULTS) as run:
    optimizer = run.config["optimizer"]
    for loss in losses(optimizer["lr"], optimizer["momentum"], run.config["epochs"]):
        run.log({"val": {"loss": loss}})
