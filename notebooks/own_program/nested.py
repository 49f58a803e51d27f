"""Defaults in groups, as many programs have them."""

import wandb
from digits import train

defaults = {"optimizer": {"learning_rate": 0.01, "momentum": 0.5}, "epochs": 5}
run = wandb.init(config=defaults)
optimizer = run.config["optimizer"]
rate, momentum = optimizer["learning_rate"], optimizer["momentum"]
for loss, accuracy in train(rate, momentum, run.config["epochs"]):
    run.log({"val/loss": loss, "val/accuracy": accuracy})
