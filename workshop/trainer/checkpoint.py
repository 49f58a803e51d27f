"""What a run needs to go on after an interruption, in a file of its own."""

import torch
from torch.optim.lr_scheduler import LambdaLR

from workshop.errors import WorkshopError
from workshop.paths import home, shown
from workshop.trainer.config import TrainingConfig


class Checkpoint:
    """The state of one run, as it was after an epoch.

    No random state is needed: the order and the augmentation of an epoch's images follow from
    the seed and the epoch's number, and nothing else is drawn once the network is built.
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
        self.rows: list[dict[str, float]] = []  # what was logged, an epoch each
        self.parts = {"model": model, "optimizer": optimizer, "schedule": schedule}

    def save(self, metrics: dict[str, float]) -> None:
        """Write the state after an epoch; a kill at any moment leaves the old file or the new one.

        Args:
            metrics: what was logged of the epoch.

        Raises:
            WorkshopError: The file cannot be written.
        """
        self.rows.append(metrics)
        state = {name: part.state_dict() for name, part in self.parts.items()}
        unfinished = self.file.with_suffix(".unfinished")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # Into an open file: then the system's message survives as the context of torch's.
            with unfinished.open("wb") as stream:
                torch.save(state | {"config": self.config, "rows": self.rows}, stream)
            unfinished.replace(self.file)
        except (OSError, RuntimeError) as error:
            unfinished.unlink(missing_ok=True)
            raise WorkshopError(
                f"the checkpoint {shown(self.file)} cannot be written "
                f"({error.__context__ or error}): free space there, "
                "or set WORKSHOP_HOME to a folder with more; what the run logged is kept"
            ) from error

    def restore(self) -> int:
        """Load the state if the file is there; return the number of epochs that it has seen."""
        if not self.file.exists():
            return 0
        state = torch.load(self.file, map_location="cpu", weights_only=True)
        if changed := [key for key in self.config if state["config"].get(key) != self.config[key]]:
            print(
                f"ignored the checkpoint {shown(self.file)}: its {', '.join(changed)} differ from "
                "this run's config"
            )
            return 0
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.rows = state["rows"]
        print(f"resumed after epoch {len(self.rows)} from {shown(self.file)}")
        return len(self.rows)

    def remove(self) -> None:
        """Delete the file: the run is finished."""
        self.file.unlink(missing_ok=True)
