"""Check what a trial needs: its configuration, its data and its pretrained weights."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workshop.errors import WorkshopError
from workshop.paths import shown
from workshop.preflight.finding import Finding
from workshop.preflight.storage import refusal
from workshop.trainer.config import TrainingConfig, resolve
from workshop.trainer.data import missing


def findings(arguments: Mapping[str, Any]) -> Iterator[Finding]:
    """Check what a trial with these arguments (`workshop.trainer.config.resolve`) will read."""
    try:
        config = resolve(arguments)
    except WorkshopError as error:
        yield Finding("configuration", str(error), "problem", "correct it in the place named first")
        return
    yield Finding(
        "configuration",
        f"scale {config.scale}: {config.model_name} on {config.dataset} at {config.image_size} px",
    )
    yield _data(config)
    if config.pretrained:
        yield _weights(config.model_name)


def _data(config: TrainingConfig) -> Finding:
    if problem := missing(config):
        return Finding(f"data ({config.dataset})", "missing", "problem", problem)
    return Finding(f"data ({config.dataset})", "there")


def _weights(model_name: str) -> Finding:
    # Imported late: PyTorch takes seconds, and few configurations are pretrained.
    from torchvision.models import get_model_weights

    from workshop.trainer.model import weights_folder

    folder = weights_folder()
    file = folder / Path(urlsplit(get_model_weights(model_name).DEFAULT.url).path).name
    if file.exists():
        return Finding("pretrained weights", "there")
    if reason := refusal(folder):
        return Finding(
            "pretrained weights", f"missing, and {shown(folder)} cannot be written ({reason})",
            "problem", "set TORCH_HOME to a folder with the weights, or to one of yours",
        )  # fmt: skip
    return Finding(
        "pretrained weights", f"missing; the first run downloads {file.name} (100 MB)", "note",
        "run one trial where there is internet access before others need them",
    )  # fmt: skip
