"""Optimizers and learning rate schedules, by their names in `configs/config.yaml`.

The configuration takes its choices from here, and is also read without PyTorch.
"""

import inspect
import math
from typing import TYPE_CHECKING

from workshop.wording import listed

if TYPE_CHECKING:
    import torch

    from workshop.trainer.config import TrainingConfig

OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
"""Names of classes in `torch.optim`."""

TAKEN = {"sgd": ("momentum",)}
"""The fields of the configuration that only some optimizers take."""


def takers(field: str) -> str:
    """Return the optimizers that take a field of the configuration, in words."""
    return listed([name for name, fields in TAKEN.items() if field in fields])


def one_cycle(elapsed: float) -> float:
    """Return the one-cycle schedule: up from 1/25 for 3/10 of the steps, then down to zero.

    Smith and Topin 2017, https://arxiv.org/abs/1708.07120, with the proportions that
    `torch.optim.lr_scheduler.OneCycleLR` has.
    """
    if elapsed < 0.3:
        return 1 / 25 + (1 - 1 / 25) * elapsed / 0.3
    return (1 + math.cos(math.pi * (elapsed - 0.3) / 0.7)) / 2


# The learning rate as a share of `learning_rate`, from the elapsed share of the training steps.
SCHEDULES = {
    # He et al. 2015 divide by ten after half and after three quarters of the steps.
    "step": lambda elapsed: 1.0 if elapsed < 0.5 else 0.1 if elapsed < 0.75 else 0.01,
    # Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983, without restarts.
    "cosine": lambda elapsed: (1 + math.cos(math.pi * elapsed)) / 2,
    "one_cycle": one_cycle,
    "none": lambda elapsed: 1.0,
}


def build_optimizer(config: "TrainingConfig", model: "torch.nn.Module") -> "torch.optim.Optimizer":
    """Return the optimizer of the layers that aren't frozen, with a fused kernel if possible."""
    import torch

    kind = getattr(torch.optim, OPTIMIZERS[config.optimizer])
    options = {name: getattr(config, name) for name in TAKEN.get(config.optimizer, ())}
    if "fused" in inspect.signature(kind).parameters:
        options["fused"] = True
    return kind(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        **options,
    )
