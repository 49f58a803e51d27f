"""An option that is read, logged, and used for nothing."""

import argparse

import wandb
from training import losses

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--dropout", type=float, default=0.2)
args = parser.parse_args()
with wandb.init(config=vars(args)) as run:
    for loss in losses(run.config["lr"]):
        run.log({"val_loss": loss, "rate of dropout": run.config["dropout"]})
