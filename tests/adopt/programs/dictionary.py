"""As it should be: defaults in a dictionary, values from the run's config."""

import wandb
from training import losses

with wandb.init(config={"lr": 0.1, "momentum": 0.5, "data_path": "data"}) as run:
    for number, loss in enumerate(losses(run.config.lr, run.config.momentum)):
        run.log({"train_loss": loss, "val_acc": 1 - loss, "epoch": number})
