"""Load the model that a run logged with `log_model`: its best epoch's weights, ready to use."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweepserver.search.metric import Metric
from workshop._compat import client_errors
from workshop.analyze.ranking import rank
from workshop.errors import WorkshopError
from workshop.initialize.run_tables import fetch_runs
from workshop.trainer.config import TrainingConfig, resolve
from workshop.trainer.metrics import EPOCH, VALIDATION_ACCURACY

if TYPE_CHECKING:
    import torch
    import wandb

ADVICE = (
    "`log_model: {value: true}` among the parameters of a sweep lets each of its runs log its model"
)


@dataclass(frozen=True)
class LoadedModel:
    """A trained network.

    Attributes:
        network: on the CPU, in evaluation mode: from images of shape (batch, 3, height, width),
            normalized as `trainer.data` does, to logits of shape (batch, classes).
        config: the configuration that it was trained with.
        run: the path of its run.
        artifact: the artifact's name with its version.
        epoch: the epoch that the weights are from.
        accuracy: the Validation Accuracy, in percent, that the run logged for this epoch.
    """

    network: "torch.nn.Module"
    config: TrainingConfig
    run: str
    artifact: str
    epoch: int
    accuracy: float

    def __str__(self) -> str:
        return (
            f"{self.config.model_name} from run {self.run}, epoch {self.epoch} "
            f"({self.artifact}): {VALIDATION_ACCURACY} {self.accuracy:.4g} %"
        )

    def validation_accuracy(self) -> float:
        """Return the accuracy on the validation images here and now, in percent.

        It is the logged one, except for rounding: where other hardware adds numbers in another
        order, single images may fall to the other side.

        Raises:
            WorkshopError: the data set isn't on this machine.
        """
        from workshop.trainer.data import load
        from workshop.trainer.training import available_device, evaluate

        device = available_device()
        _, validation = load(self.config, device)
        network = self.network.to(device)
        _, accuracy = evaluate(network, validation.batches(self.config.batch_size))
        self.network.to("cpu")
        return accuracy


def best_model(sweep_path: str) -> LoadedModel:
    """Load the model of a sweep's best run, by the sweep's metric.

    Args:
        sweep_path: `entity/project/ID`.

    Raises:
        WorkshopError: there is no such sweep, it doesn't have exactly one metric, no run of it has
            finished, or the best one logged no model.
    """
    runs = fetch_runs(sweep_path)
    metric = Metric.of(runs.attrs["definition"])
    if metric is None:
        raise WorkshopError(
            f"sweep {sweep_path} doesn't have exactly one metric, so it has no best run: choose a "
            "run, and give its path to load_model"
        )
    ranking = rank(runs, metric.name, metric.goal)
    if ranking.empty:
        raise WorkshopError(
            f"no run of sweep {sweep_path} has finished with a {metric.name} yet: run its agents "
            "first"
        )
    return load_model(ranking["path"].iloc[0])


def load_model(run_path: str) -> LoadedModel:
    """Load the model that a run logged.

    Args:
        run_path: `entity/project/run`, the column `path` of `fetch_runs`.

    Raises:
        WorkshopError: there is no such run, it logged no model, another program has logged it, or
            the server doesn't answer.
    """
    import torch
    import wandb

    from workshop.trainer.best_epoch import FILE, artifact_name
    from workshop.trainer.model import build

    problems: tuple[type[Exception], ...] = (OSError, *client_errors())
    try:
        api = wandb.Api()
        run = api.run(run_path)
        artifact = _artifact(api, run, run_path)
        # The client's cache keeps the file, so a second download is a copy.
        with tempfile.TemporaryDirectory() as folder:
            artifact.download(root=folder)
            weights = torch.load(Path(folder, FILE), map_location="cpu", weights_only=True)
    except problems as error:
        problem = str(error).splitlines()[0].rstrip(".")
        raise WorkshopError(f"the model of run {run_path} cannot be read: {problem}") from error
    known = {name: run.config[name] for name in TrainingConfig.model_fields if name in run.config}
    config = resolve(swept=known)
    # The artifact's weights replace all others, so ImageNet's need not be downloaded.
    network = build(config.model_copy(update={"pretrained": False, "finetune": False}))
    network.load_state_dict(weights)
    return LoadedModel(
        network.eval(), config, run_path, f"{artifact_name(run.id)}:{artifact.version}",
        artifact.metadata[EPOCH], artifact.metadata[VALIDATION_ACCURACY],
    )  # fmt: skip


def _artifact(api: "wandb.Api", run: "wandb.apis.public.Run", run_path: str) -> "wandb.Artifact":
    """Return the artifact of a run's model."""
    from workshop.trainer.best_epoch import ALIAS, FILE, KIND, artifact_name

    name = f"{run.entity}/{run.project}/{artifact_name(run.id)}:{ALIAS}"
    if not api.artifact_exists(name, KIND):
        if run.config.get("log_model"):
            raise WorkshopError(
                f"run {run_path} has no model artifact, although its log_model is true: the end of "
                "its log says why"
            )
        raise WorkshopError(f"run {run_path} has no model artifact: {ADVICE}")
    artifact = api.artifact(name, KIND)
    if FILE not in artifact.manifest.entries:
        raise WorkshopError(
            f"artifact {name} has no file {FILE}, so another program has logged it: download its "
            "files with `wandb artifact get`"
        )
    return artifact
