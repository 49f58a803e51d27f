"""The weights of a run's best epoch, logged as a W&B artifact if `log_model` is on.

The artifact has the type `model`, the alias `best` and the name `model-<run ID>`, which is also
what Lightning's `WandbLogger` calls its own.  The client's shortcut `run.log_model` takes no
metadata, which here says which epoch it is and how good.
"""

import math
from typing import TYPE_CHECKING, Any

import torch

from workshop import files
from workshop._compat import client_errors
from workshop.trainer.metrics import EPOCH, VALIDATION_ACCURACY, VALIDATION_LOSS
from workshop.trainer.training_checkpoint import folder

if TYPE_CHECKING:
    import wandb

KIND = "model"
ALIAS = "best"
FILE = "model.pt"
"""The file in the artifact: the network's `state_dict`, on the CPU."""
WEIGHTS = "weights"


def artifact_name(run_id: str) -> str:
    """Return the name of the artifact that a run logs its model as, without a version."""
    return f"{KIND}-{run_id}"


class BestEpoch:
    """The best epoch so far, by Validation Accuracy; the first one of equals.

    It is part of the checkpoint, so that a resumed run still has it.

    Args:
        run_id: of the run.
        model: the network that is trained, not a compiled one.
    """

    def __init__(self, run_id: str, model: torch.nn.Module):
        self._model = model
        self._file = folder() / f"{run_id}.best.pt"
        self._kept: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch's number, accuracy and weights; empty before the first epoch."""
        return self._kept

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._kept = state

    def update(self, metrics: dict[str, float]) -> None:
        """Keep a copy of the current weights if this epoch is the best so far.

        Args:
            metrics: the epoch's logged metrics.  It doesn't count if its losses aren't finite.
        """
        accuracy = metrics[VALIDATION_ACCURACY]
        is_better = not self._kept or accuracy > self._kept[VALIDATION_ACCURACY]
        if is_better and math.isfinite(metrics[VALIDATION_LOSS]):
            state = self._model.state_dict()
            weights = {name: tensor.to("cpu", copy=True) for name, tensor in state.items()}
            self._kept = {
                EPOCH: metrics[EPOCH], VALIDATION_ACCURACY: accuracy, WEIGHTS: weights,
            }  # fmt: skip

    def log(self, run: "wandb.Run") -> None:
        """Log the best epoch's weights, and wait until they are on the server.

        The training is done, and its metrics are logged.  So if the weights can't be written or
        the server refuses them, for example because a quota is used up, a sentence is printed.
        """
        if not self._kept:
            print("no model is logged, because the loss was finite in no epoch", flush=True)
            return
        if run.disabled:
            return  # the client discards everything
        # RuntimeError is torch's, of a full disk.
        problems: tuple[type[Exception], ...] = (OSError, RuntimeError, *client_errors())
        try:
            artifact = self._upload(run)
        except problems as error:
            # Of what torch says about a full disk, only the system's own error says so.
            cause = error.__context__ if isinstance(error.__context__, OSError) else error
            reason = " ".join(str(cause).split()).rstrip(".")
            print(
                f"the model is not logged ({reason}), but the run is complete: a quota or a disk "
                "may be full, so make room, and run its point again if you need the model",
                flush=True,
            )
        else:
            print(f"logged the weights of epoch {self._kept[EPOCH]} as {artifact}", flush=True)

    def _upload(self, run: "wandb.Run") -> str:
        """Log the artifact; return its name with its alias."""
        import wandb

        metadata = {key: value for key, value in self._kept.items() if key != WEIGHTS}
        artifact = wandb.Artifact(artifact_name(run.id), type=KIND, metadata=metadata)
        # What is logged offline is sent later, from a copy of the client's own.  Otherwise, neither
        # that copy nor one in its cache is needed.
        policy = "mutable" if run.offline else "immutable"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with files.replacing(self._file, sole_writer=True) as stream:
                torch.save(self._kept[WEIGHTS], stream)
            artifact.add_file(str(self._file), name=FILE, skip_cache=True, policy=policy)
            run.log_artifact(artifact, aliases=[ALIAS])
            if not run.offline:
                artifact.wait()
        finally:
            self._file.unlink(missing_ok=True)
        return f"{artifact_name(run.id)}:{ALIAS}"
