"""It takes name=value, as Hydra does, and refuses anything else."""

import sys

import wandb
from training import losses

values = dict(word.split("=") for word in sys.argv[1:])
if unknown := values.keys() - {"lr", "momentum"}:
    sys.exit(f"unknown: {unknown}")
with wandb.init() as run:
    for loss in losses(float(values["lr"]), float(values["momentum"])):
        run.log({"val_loss": loss})
