"""Checkpoints: the state with which a run can be resumed, in a file of its own."""

import torch
from torch.optim.lr_scheduler import LambdaLR

from workshop import files
from workshop.errors import WorkshopError
from workshop.paths import home, shown
from workshop.trainer.config import TrainingConfig, stored


class Checkpoint:
    """The checkpoint of one run after an epoch.

    It needs no random state: the order and the augmentation of an epoch's images follow from the
    seed and the epoch's number, and nothing else is random once the network is built.
    """

    def __init__(
        self,
        run_id: str,
        config: TrainingConfig,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: LambdaLR,
    ):
        self.file = home() / "checkpoints" / f"{run_id}.pt"
        self.config = config.model_dump()
        self.rows: list[dict[str, float]] = []  # the logged metrics, a row per epoch
        self.parts = {"model": model, "optimizer": optimizer, "schedule": schedule}

    def save(self, metrics: dict[str, float]) -> None:
        """Write the checkpoint atomically after an epoch.

        Args:
            metrics: the epoch's logged metrics.

        Raises:
            WorkshopError: The file cannot be written.
        """
        self.rows.append(metrics)
        state = {name: part.state_dict() for name, part in self.parts.items()}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # Into an open file, so that the system's error is kept as the context of torch's.
            with files.replacing(self.file, sole_writer=True) as stream:
                torch.save(state | {"config": self.config, "rows": self.rows}, stream)
        except (OSError, RuntimeError) as error:
            raise WorkshopError(
                f"the checkpoint {shown(self.file)} cannot be written "
                f"({error.__context__ or error}): free space there, "
                "or set WORKSHOP_HOME to a folder with more; what the run logged is kept"
            ) from error

    def restore(self) -> int:
        """Load the checkpoint if there is one; return the number of completed epochs."""
        if not self.file.exists():
            return 0
        state = torch.load(self.file, map_location="cpu", weights_only=True)
        then = stored(state["config"])
        if changed := [key for key in self.config if then.get(key) != self.config[key]]:
            print(
                f"ignored the checkpoint {shown(self.file)}, because this run's config has another "
                f"{', '.join(changed)}"
            )
            return 0
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.rows = state["rows"]
        print(f"resumed after epoch {len(self.rows)} from {shown(self.file)}")
        return len(self.rows)

    def remove(self) -> None:
        """Delete the checkpoint of a run that has finished."""
        self.file.unlink(missing_ok=True)
