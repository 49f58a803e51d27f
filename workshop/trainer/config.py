"""The typed training configuration: fixed defaults, overridden by what a sweep picks."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from sweepserver.search import numerals
from sweepserver.search.values import closest
from workshop.errors import WorkshopError, and_more, expectation
from workshop.files import from_root, read_mapping
from workshop.paths import CONFIGS, shown
from workshop.trainer.optim import OPTIMIZERS, SCHEDULES, takers

POINT = "point"
"""The parameter of a sweep whose values are mappings of other parameters: whole points."""


def _int(value: Any) -> Any:
    """Read 64.0 as 64, because a sweep over a quantized range picks floats."""
    number = numerals.read(value)
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _bool(value: Any) -> Any:
    """Read the text that a command line gives for a boolean."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), value)
    return value


def _dataset(value: str) -> str:
    kind, _, folder = value.partition(":")
    if value not in ("digits", "cifar10") and not (kind == "images" and folder):
        raise PydanticCustomError(
            "dataset", "Input should be 'digits', 'cifar10' or 'images:FOLDER'"
        )
    return value


Float = Annotated[float, BeforeValidator(numerals.read)]
Int = Annotated[int, BeforeValidator(_int)]
Bool = Annotated[bool, BeforeValidator(_bool)]
Dataset = Annotated[str, AfterValidator(_dataset)]
Model = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


class TrainingConfig(BaseModel):
    """Everything that a trial depends on, which becomes its run's config.

    The fields have no defaults here: `configs/config.yaml` has them all, with explanations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    scale: str = Field(description="name of a file in configs/scales")

    dataset: Dataset = Field(description="digits, cifar10 or images:FOLDER")
    data_path: str = Field(description="folder of CIFAR-10")
    sample_ratio: Float = Field(gt=0, le=1, description="share of the images that is used")
    num_classes: Int = Field(ge=2, description="number of classes of the data set")
    image_size: Int = Field(ge=8, le=1024, description="height and width in pixels")

    model_name: Model = Field(description="a ResNet of torchvision")
    stem: Literal["imagenet", "cifar"] = Field(description="the first layers of the network")
    pretrained: Bool = Field(description="start from the weights of ImageNet")
    finetune: Bool = Field(description="train the last layer of a pretrained network alone")

    batch_size: Int = Field(ge=2, description="images per training step")
    num_epochs: Int = Field(ge=1, description="passes over the training images")
    learning_rate: Float = Field(gt=0, description="highest step size; scheduler says when")
    # A type checker does not read the names that a table has.
    optimizer: Literal[*OPTIMIZERS] = Field(  # type: ignore[valid-type]
        description="one of torch.optim"
    )
    momentum: Float = Field(ge=0, lt=1, description=f"of {takers('momentum')}")
    weight_decay: Float = Field(ge=0, description="of every optimizer")
    scheduler: Literal[*SCHEDULES] = Field(  # type: ignore[valid-type]
        description="course of the learning rate"
    )
    label_smoothing: Float = Field(ge=0, lt=1, description="share of the target for all classes")
    seed: Int = Field(ge=0, lt=2**32, description="of weights, image order and augmentation")

    compile: Literal["none", "default", "reduce-overhead"] = Field(
        description="a mode of torch.compile"
    )

    log_model: Bool = Field(description="log the weights of the best epoch as an artifact")

    @model_validator(mode="after")
    def _finetuning_needs_weights(self) -> Self:
        if self.finetune and not self.pretrained:
            raise PydanticCustomError(
                "finetune",
                "finetune is true, which trains the last layer alone, but pretrained is false, "
                "which leaves the other layers random: set both to true or both to false",
            )
        return self

    @property
    def image_folder(self) -> Path:
        """The folder of an `images:FOLDER` data set."""
        return from_root(self.dataset.removeprefix("images:"))

    @property
    def data_folder(self) -> Path:
        """The folder in `data_path`."""
        return from_root(self.data_path)


def stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run has stored of its configuration, as this version of the kit would have.

    Older runs lack the parameters that were added since.
    """
    return {"log_model": False} | dict(values)


def resolve(
    arguments: Mapping[str, Any] | None = None, swept: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Merge the layers of the configuration; later ones win.

    The layers are `configs/config.yaml`, the scale's file, the command line's `arguments`, and the
    `swept` values.  Any of them except the scale's file can set the scale.  A `point` among the
    values is replaced by the parameters in it.

    Raises:
        WorkshopError: A key is unknown or missing, or a value has a wrong type or range.
    """
    defaults = CONFIGS / "config.yaml"
    fixed = {shown(defaults): read_mapping(defaults)}
    chosen = {"the command line": _flat(arguments or {}), "the sweep": _flat(swept or {})}
    scale = _scale_file(fixed | chosen)
    layers = fixed | {shown(scale): read_mapping(scale)} | chosen
    try:
        return TrainingConfig(**_merged(layers))
    except ValidationError as error:
        raise WorkshopError(_sentence(error.errors(), _origins(layers))) from None


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a `point`, which an agent passes as text, by the parameters in it.

    Raises:
        WorkshopError: the point isn't a mapping.
    """
    values = dict(values)
    if POINT not in values:
        return values
    point = values.pop(POINT)
    try:
        read = numerals.load(point) if isinstance(point, str) else point
    except yaml.YAMLError:
        read = point
    if not isinstance(read, Mapping):
        raise WorkshopError(
            f"{POINT} must be a mapping of parameters, got {point!r}: write it as "
            "{learning_rate: 0.1, optimizer: sgd}"
        )
    return {**values, **read}


def parse_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Parse `--key=value` pairs as text; `--help` lists the keys and exits.

    An unknown key is kept, because `resolve` has a better error message for it.
    """
    parser = argparse.ArgumentParser(
        prog="python -m workshop.wandb_sweep",
        description="Train once and log to W&B; configs/config.yaml holds the defaults.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for key, field in TrainingConfig.model_fields.items():
        parser.add_argument(f"--{key}", metavar="VALUE", help=field.description)
    known, unknown = parser.parse_known_args(arguments)
    pairs = [argument.lstrip("-").partition("=") for argument in unknown]
    return vars(known) | {key: value for key, _, value in pairs}


def field_error(key: str, value: Any) -> str | None:
    """Return the problem of a value for a field of `TrainingConfig`; None if there is none."""
    field = TrainingConfig.model_fields[key]
    kind: Any = Annotated[field.annotation, field]
    adapter: TypeAdapter = TypeAdapter(kind, config=TrainingConfig.model_config)
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return expectation(error.errors()[0])
    return None


Layers = dict[str, dict[str, Any]]  # from the name of a source to its keys and values


def _merged(layers: Layers) -> dict[str, Any]:
    return {key: value for values in layers.values() for key, value in values.items()}


def _origins(layers: Layers) -> dict[str, str]:
    """Return the layer that each key's value comes from."""
    return {key: name for name, values in layers.items() for key in values}


def _scale_file(layers: Layers) -> Path:
    folder = CONFIGS / "scales"
    scale = _merged(layers).get("scale")
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if scale not in known:
        origin = _origins(layers).get("scale", shown(CONFIGS / "config.yaml"))
        raise WorkshopError(
            f"{origin}: scale is {scale!r}, but it must be one of {', '.join(known)} "
            "(the files in configs/scales)"
        )
    return folder / f"{scale}.yaml"


def _sentence(errors: Sequence[ErrorDetails], origins: Mapping[str, str]) -> str:
    """Return the first of pydantic's errors as a sentence, with the number of further ones."""
    first = errors[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    if not key:
        message = f"the configuration: {first['msg']}"
    elif first["type"] == "missing":
        message = f"configs/config.yaml: {key} is missing: add a line `{key}: VALUE`"
    elif first["type"] == "extra_forbidden":
        message = (
            f"{origins[key]}: the trainer has no parameter {key}"
            f"{closest(key, TrainingConfig.model_fields)}: configs/config.yaml lists all of them"
        )
    else:
        message = f"{origins[key]}: {key} {expectation(first)}"
    return message + and_more(errors)
