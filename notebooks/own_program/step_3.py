"""Train with the options that are given, and print how well it goes."""

import argparse

import wandb
from digits import train

parser = argparse.ArgumentParser()
parser.add_argument("--learning_rate", type=float, default=0.01)
parser.add_argument("--momentum", type=float, default=0.5)
parser.add_argument("--epochs", type=int, default=5)
args = parser.parse_args()
run = wandb.init(config=vars(args))
config = run.config

for loss, accuracy in train(config.learning_rate, config.momentum, config.epochs):
    print(f"validation loss {loss:.3f}, accuracy {accuracy:.1%}")
    run.log({"val/loss": loss, "val/accuracy": accuracy})
