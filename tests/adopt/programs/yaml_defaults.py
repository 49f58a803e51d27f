"""The fault of a well-known example: the run's config is right, and the file's is trained with."""

from pathlib import Path

import wandb
import yaml
from training import losses

SETTINGS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
with wandb.init(config=SETTINGS) as run:
    print("learning rate", run.config["lr"])
    for loss in losses(lr=SETTINGS["lr"], momentum=run.config["momentum"]):
        run.log({"val_loss": loss, "lr": run.config["lr"]})
