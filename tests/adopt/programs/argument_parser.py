"""As it should be: options, which the run's config holds."""

import argparse

import wandb
from training import losses

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--momentum", type=float, default=0.5)
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
with wandb.init(config=vars(args)) as run:
    for loss in losses(run.config["lr"], run.config["momentum"], run.config["epochs"]):
        run.log({"val/loss": loss})
