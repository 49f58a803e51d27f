"""The checkpoints of the kit's own trainer."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.paths import home
from workshop.trainer.checkpoint import Checkpoint, Part
from workshop.trainer.config import TrainingConfig, stored

if TYPE_CHECKING:
    import wandb


def folder() -> Path:
    """Return the folder of the trainer's checkpoints, within the kit's home."""
    return home() / "checkpoints"


class TrainingCheckpoint(Checkpoint):
    """The checkpoint of a run of the trainer.

    It needs no random state: the order and the augmentation of an epoch's images follow from the
    seed and the epoch's number, and nothing else is random once the network is built.
    """

    elsewhere = "set WORKSHOP_HOME to a folder with more"
    weights_only = True

    def __init__(self, run: "wandb.Run", config: TrainingConfig, **parts: Part):
        super().__init__(run, folder(), config.model_dump(), **parts)

    def stored_config(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the config as this version of the kit would have stored it."""
        return stored(content["config"])
