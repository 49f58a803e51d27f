"""It takes a file with its values, and nothing else."""

import json
import sys
from pathlib import Path

import wandb
from training import losses

(file,) = sys.argv[1:]
values = json.loads(Path(file).read_text())
with wandb.init(config=values) as run:
    for loss in losses(values["lr"]):
        run.log({"score": 1 - loss})
