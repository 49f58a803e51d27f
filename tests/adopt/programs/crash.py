"""It fails in its second epoch, whatever it is given."""

import wandb

with wandb.init(config={"lr": 0.1}) as run:
    run.log({"loss": run.config["lr"]})
    raise RuntimeError("cannot decode image 217")
