"""Train once with what a sweep picked: put your own task in place of `train`."""

import random
from pathlib import Path

import wandb
import yaml


def train(config):
    """Fit a slope to 40 points; after each epoch, yield the loss on them and on 10 others."""
    draw = random.Random(config["seed"])  # noqa: S311 - for no secrets
    points = [(x / 50, 3 * x / 50 + draw.gauss(0, 0.1)) for x in draw.sample(range(50), 50)]
    slope = speed = 0.0
    for _ in range(config["num_epochs"]):
        for x, y in points[:40]:
            speed = config["momentum"] * speed - config["learning_rate"] * 2 * x * (slope * x - y)
            slope += speed
        errors = [(slope * x - y) ** 2 for x, y in points]
        yield sum(errors[:40]) / 40, sum(errors[40:]) / 10


defaults = yaml.safe_load(Path(__file__).with_name("config.yaml").read_text())
with wandb.init(config=defaults) as run:  # from here on, run.config is what counts
    for training_loss, validation_loss in train(run.config):
        run.log({"Train Loss": training_loss, "Validation Loss": validation_loss})
