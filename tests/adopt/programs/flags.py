"""A boolean option that takes no value, and a config with more than the options."""

import argparse

import wandb
from training import losses

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--fast", action="store_true")
args = parser.parse_args()
with wandb.init(config={**vars(args), "size": 385, "machine": "a (b), c"}) as run:
    for loss in losses(run.config["lr"], 0.9 if run.config["fast"] else 0):
        run.log({"loss": loss})
