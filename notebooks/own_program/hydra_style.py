"""It takes name=value, as a program with Hydra does, and refuses anything else."""

import sys

import wandb
from digits import train

config = {"optimizer.learning_rate": 0.01, "optimizer.momentum": 0.5, "epochs": 5}
for word in sys.argv[1:]:
    name, _, value = word.partition("=")
    if name not in config:
        sys.exit(f"there is no setting {name!r}: there are {', '.join(config)}")
    config[name] = float(value)

run = wandb.init(config=config)
rate, momentum = config["optimizer.learning_rate"], config["optimizer.momentum"]
for loss, accuracy in train(rate, momentum, int(config["epochs"])):
    run.log({"val/loss": loss, "val/accuracy": accuracy})
