"""Train a network once, log every epoch, and resume an interrupted run from its checkpoint."""

import math
import os
import socket
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from workshop._compat import compiler_errors
from workshop.errors import WorkshopError
from workshop.trainer import preemption
from workshop.trainer.best_epoch import BestEpoch
from workshop.trainer.config import TrainingConfig
from workshop.trainer.cpus import fair_share
from workshop.trainer.data import Images, load
from workshop.trainer.metrics import (
    EFFECTIVE_LEARNING_RATE,
    EPOCH,
    EPOCH_SECONDS,
    IMAGES_PER_SECOND,
    LEARNING_RATE,
    TRAIN_LOSS,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
)
from workshop.trainer.model import build
from workshop.trainer.optim import SCHEDULES, build_optimizer
from workshop.trainer.sign_of_life import announced
from workshop.trainer.training_checkpoint import TrainingCheckpoint

if TYPE_CHECKING:
    import wandb


def train(config: TrainingConfig, run: "wandb.Run") -> None:
    """Train the network of `config` and log its metrics to `run`, once per epoch.

    After every epoch except the last, a checkpoint is saved under the run's ID; if the same run
    starts again, it resumes from there.  A warning (module `preemption`) ends the training after
    the current step; the incomplete epoch is lost.

    A run whose loss is no longer finite ends early but normally: a learning rate that is too high
    is a result of the sweep, not a failure of the program.

    With `log_model`, the weights of the best epoch are logged as an artifact at the end, once.  A
    preempted run does so after it was resumed; a run that its sweep stops does not, because the
    agent kills it, and others were better.

    Raises:
        WorkshopError: The data or the pretrained weights are missing, the disk is full, or the
            network cannot be compiled.
        Preempted: There was a warning.
    """
    torch.set_num_threads(fair_share())
    device = available_device()
    training, validation = load(config, device)

    torch.manual_seed(config.seed)
    model = build(config).to(device, memory_format=torch.channels_last)
    optimizer = build_optimizer(config, model)
    run.summary.update({EFFECTIVE_LEARNING_RATE: optimizer.param_groups[0]["lr"]} | _place())
    steps = config.num_epochs * training.steps(config.batch_size)
    schedule = LambdaLR(optimizer, lambda step: SCHEDULES[config.scheduler](step / steps))

    best = BestEpoch(run.id, model) if config.log_model else None
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    checkpoint = TrainingCheckpoint(run, config, **parts, **({"best": best} if best else {}))
    done = checkpoint.restore()
    network = accelerated(model, config)
    print(_describe(config, device, training, validation), flush=True)
    for epoch in range(done + 1, config.num_epochs + 1):
        start = perf_counter()
        model.train()
        learning_rate = optimizer.param_groups[0]["lr"]
        batches = announced(
            training.shuffled_batches(config.batch_size, seed=config.seed * 2**16 + epoch),
            training.steps(config.batch_size),
            epoch,
            config.num_epochs,
        )
        train_loss = train_epoch(network, batches, optimizer, schedule, config.label_smoothing)
        training_seconds = perf_counter() - start
        validation_loss, accuracy = evaluate(model, validation.batches(config.batch_size))
        metrics = {
            EPOCH: epoch,
            TRAIN_LOSS: train_loss,
            VALIDATION_LOSS: validation_loss,
            VALIDATION_ACCURACY: accuracy,
            LEARNING_RATE: learning_rate,
            EPOCH_SECONDS: perf_counter() - start,
            IMAGES_PER_SECOND: len(training) / training_seconds,
        }
        # The step makes a repeated row harmless, because W&B keeps the first row of each step;
        # commit sends the row now instead of with the next one.
        run.log(metrics, step=epoch, commit=True)
        print(_progress(metrics, config.num_epochs), flush=True)
        if best:
            best.update(metrics)
        if not math.isfinite(train_loss):
            print(f"diverged: learning_rate {config.learning_rate} may be too high", flush=True)
            break
        if epoch < config.num_epochs:
            checkpoint.save(metrics)
    if best:
        best.log(run)
    checkpoint.remove()


def train_epoch(
    network: Callable[[Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: Optimizer,
    schedule: LRScheduler,
    label_smoothing: float = 0.0,
) -> float:
    """Train for one epoch, a step per batch; return the mean loss over the images."""
    total, count = 0.0, 0
    for images, labels in batches:
        preemption.check()
        with autocast(images.device):
            outputs = network(images)
        loss = cross_entropy(outputs.float(), labels, label_smoothing=label_smoothing)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        # The sum stays on the device: reading it here would make the GPU wait for Python.
        total += loss.detach() * len(labels)
        count += len(labels)
    return float(total) / count


@torch.inference_mode()
def evaluate(
    model: torch.nn.Module, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[float, float]:
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


def available_device() -> torch.device:
    """Return the device that this process computes on: the GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def accelerated(model: torch.nn.Module, config: TrainingConfig) -> Callable[[Tensor], Tensor]:
    """Return the network, compiled with `torch.compile` if the config asks for it.

    Compiled code is for one batch size.  A smaller last batch would have to be compiled again, so
    it uses the uncompiled network, and so does the validation.

    Raises:
        WorkshopError: The network can't be compiled here; raised when it is first called.
    """
    if config.compile == "none":
        return model
    compiled = torch.compile(model, mode=config.compile, dynamic=False)

    def network(images: Tensor) -> Tensor:
        if len(images) != config.batch_size:
            return model(images)
        try:
            return compiled(images)
        except compiler_errors() as error:
            problem = str(error).splitlines()[0]
            raise WorkshopError(
                f"compile is {config.compile!r}, but torch.compile fails here ({problem}): "
                "fix that, or set compile to none"
            ) from error

    return network


def autocast(device: torch.device) -> torch.autocast:
    """Return a context with bfloat16 arithmetic, if the device has instructions for it."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Return whether this device has fast bfloat16 matrix products; others are very slow."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return capabilities.get("avx512_bf16", False) or capabilities.get("amx_bf16", False)


def _place() -> dict[str, str]:
    """Return the host and array task of this run, by which the ledger finds it."""
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
        + ("" if config.compile == "none" else f", compiled ({config.compile})")
    )


def _progress(metrics: dict[str, float], num_epochs: int) -> str:
    return (
        f"epoch {metrics[EPOCH]}/{num_epochs} · "
        f"Train Loss {metrics[TRAIN_LOSS]:.3f} · "
        f"Validation Accuracy {metrics[VALIDATION_ACCURACY]:.1f} % · "
        f"{metrics[EPOCH_SECONDS]:.1f} s · "
        f"{metrics[IMAGES_PER_SECOND]:.0f} images/s"
    )
