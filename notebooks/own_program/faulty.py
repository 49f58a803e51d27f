"""Train a softmax regression whose defaults are in a YAML file."""

from pathlib import Path

import wandb
import yaml
from digits import train

config = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
run = wandb.init(config=config)
print("learning rate", run.config["learning_rate"])
rate, momentum = config["learning_rate"], config["momentum"]
for loss, accuracy in train(rate, momentum, run.config["epochs"]):
    shown = run.config["learning_rate"]
    run.log({"val/loss": loss, "val/accuracy": accuracy, "rate": shown})
