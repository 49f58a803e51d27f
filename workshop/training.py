"""Train a network once, log every epoch, and go on where an interrupted run stopped."""

import math
import os
import socket
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from workshop import preemption
from workshop.config import TrainingConfig
from workshop.data import Images, load
from workshop.errors import WorkshopError
from workshop.model import build
from workshop.paths import home, shown
from workshop.threads import fair_share

if TYPE_CHECKING:
    import wandb

# The learning rate as a share of `learning_rate`, from the elapsed share of the training steps.
SCHEDULES = {
    "none": lambda elapsed: 1.0,
    # He et al. 2015 divide by ten after half and after three quarters of the steps.
    "step": lambda elapsed: 1.0 if elapsed < 0.5 else 0.1 if elapsed < 0.75 else 0.01,
    # Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983, without restarts.
    "cosine": lambda elapsed: (1 + math.cos(math.pi * elapsed)) / 2,
}
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def train(config: TrainingConfig, run: "wandb.Run") -> None:
    """Train the network of `config` and log its metrics to `run`, once per epoch.

    After every epoch but the last, a checkpoint is left under the run's ID; if the same run
    starts again, it goes on from there.  A warning (`workshop.preemption`) ends the training
    after the current step, and costs the epoch that was not complete.

    A run whose loss is no longer finite ends early but normally: that a learning rate is too high
    is a result of the sweep, not a failure of the program.

    Raises:
        WorkshopError: The data or the pretrained weights are missing, or the disk is full.
        Preempted: There was a warning.
    """
    torch.set_num_threads(fair_share())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training, validation = load(config, device)

    torch.manual_seed(config.seed)
    model = build(config).to(device, memory_format=torch.channels_last)
    optimizer = build_optimizer(config, model)
    run.summary.update({"Effective Learning Rate": optimizer.param_groups[0]["lr"]} | _place())
    steps = config.num_epochs * training.steps(config.batch_size)
    schedule = LambdaLR(optimizer, lambda step: SCHEDULES[config.scheduler](step / steps))

    checkpoint = Checkpoint(run.id, config, model, optimizer, schedule)
    done = checkpoint.restore()
    # A process that is killed has not sent its last seconds: the server may lack epochs.
    for metrics in checkpoint.rows:
        if metrics["Epoch"] >= run.starting_step:
            run.log(metrics, step=metrics["Epoch"])
    print(_describe(config, device, training, validation), flush=True)
    for epoch in range(done + 1, config.num_epochs + 1):
        start = perf_counter()
        learning_rate = optimizer.param_groups[0]["lr"]
        batches = training.shuffled_batches(config.batch_size, seed=config.seed * 2**16 + epoch)
        train_loss = train_epoch(model, batches, optimizer, schedule)
        training_seconds = perf_counter() - start
        validation_loss, accuracy = evaluate(model, validation.batches(config.batch_size))
        metrics = {
            "Epoch": epoch,
            "Train Loss": train_loss,
            "Validation Loss": validation_loss,
            "Validation Accuracy": accuracy,
            "Learning Rate": learning_rate,
            "Epoch Seconds": perf_counter() - start,
            "Images per Second": len(training) / training_seconds,
        }
        # The number makes a repeated row harmless, for W&B keeps the first of each step; commit
        # sends the row now, and not with the next one.
        run.log(metrics, step=epoch, commit=True)
        print(_progress(metrics, config.num_epochs), flush=True)
        if not math.isfinite(train_loss):
            print(f"diverged: learning_rate {config.learning_rate} may be too high", flush=True)
            break
        if epoch < config.num_epochs:
            checkpoint.save(metrics)
    checkpoint.remove()


def train_epoch(model, batches, optimizer, schedule) -> float:
    """Take one optimizer step per batch; return the mean loss over the images."""
    model.train()
    total, count = 0.0, 0
    for images, labels in batches:
        preemption.check()
        with autocast(images.device):
            outputs = model(images)
        loss = cross_entropy(outputs.float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        # The sum stays on the device: reading it here would make the GPU wait for Python.
        total += loss.detach() * len(labels)
        count += len(labels)
    return float(total) / count


@torch.inference_mode()
def evaluate(model, batches) -> tuple[float, float]:
    """Return the mean loss over the images, and the accuracy in percent."""
    model.eval()
    total, correct, count = 0.0, 0, 0
    for images, labels in batches:
        with autocast(images.device):
            outputs = model(images)
        total += cross_entropy(outputs.float(), labels, reduction="sum")
        correct += (outputs.argmax(dim=1) == labels).sum()
        count += len(labels)
    return float(total) / count, 100 * float(correct) / count


def build_optimizer(config: TrainingConfig, model: torch.nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of the layers that are not frozen, one kernel for all of them."""
    options = {"momentum": config.momentum} if config.optimizer == "sgd" else {}
    return OPTIMIZERS[config.optimizer](
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,
        **options,
    )


def autocast(device: torch.device) -> torch.autocast:
    """Return the context that computes in bfloat16 if the device has instructions for it."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Say whether matrix products in bfloat16 are faster on this device; elsewhere it crawls."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)


class Checkpoint:
    """The state of one run in a file of its own, so that the run can go on after an interruption.

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


def _place() -> dict[str, str]:
    """Return where the run is computed, so that it can be found again among SLURM's tasks."""
    place = {"Host": socket.gethostname()}
    if job := os.environ.get("SLURM_ARRAY_JOB_ID"):
        place["Array Task"] = f"{job}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return place


def _describe(
    config: TrainingConfig, device: torch.device, training: Images, validation: Images
) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    precision = "bfloat16" if has_bfloat16(device) else "float32"
    return (
        f"{config.dataset}: {len(training)} training and {len(validation)} validation images · "
        f"{config.model_name} at {config.image_size} px · "
        f"{name}, {torch.get_num_threads()} threads, {precision}"
    )


def _progress(metrics: dict[str, float], num_epochs: int) -> str:
    return (
        f"epoch {metrics['Epoch']}/{num_epochs} · "
        f"Train Loss {metrics['Train Loss']:.3f} · "
        f"Validation Accuracy {metrics['Validation Accuracy']:.1f} % · "
        f"{metrics['Epoch Seconds']:.1f} s · "
        f"{metrics['Images per Second']:.0f} images/s"
    )
