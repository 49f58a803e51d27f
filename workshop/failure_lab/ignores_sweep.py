"""A sweep's program with a fault, to show its symptoms: it ignores the sweep.

Everything else is right: the agent starts it, the run's config has the sweep's values,
and the metrics arrive.  `workshop/wandb_sweep.py` is the correct program.
"""

import sys

import wandb

from workshop.errors import exit_status
from workshop.trainer.config import resolve
from workshop.trainer.training import train

SMALL = {
    "scale": "smoke",
    "model_name": "resnet18",
    "sample_ratio": 0.2,
    "num_epochs": 1,
}
"""A second of training is enough to show it."""


def main() -> None:
    """Train once, with values that the sweep did not pick."""
    config = resolve(SMALL)  # configs/config.yaml, read before the sweep is asked
    with wandb.init(config=config.model_dump()) as run:
        given = run.config["learning_rate"]
        print(run.name, "was given learning_rate", given, flush=True)
        train(config, run)  # the fault: what the sweep picked is in `run.config` alone


if __name__ == "__main__":
    sys.exit(exit_status(main))
