"""An option that has to be given, and isn't known to be a parameter."""

import argparse

import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
with wandb.init(config=vars(parser.parse_args())) as run:
    run.log({"val_loss": 1})
