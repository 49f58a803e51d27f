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

from workshop.errors import WorkshopError
from workshop.paths import CONFIGS, ROOT, shown
from workshop.server.search import numerals
from workshop.server.values import closest

POINT = "point"
"""The parameter of a sweep whose values are mappings of other parameters: whole points."""

METRICS = ("Train Loss", "Validation Loss", "Validation Accuracy")
"""What a sweep can judge its runs by."""
LOGGED = (*METRICS, "Epoch", "Learning Rate", "Epoch Seconds", "Images per Second")
"""Everything that the trainer logs with each epoch."""


def _whole(value: Any) -> Any:
    """Read 64.0 as 64: a sweep over a quantised range picks floats."""
    number = numerals.read(value)
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _truth(value: Any) -> Any:
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


Number = Annotated[float, BeforeValidator(numerals.read)]
Whole = Annotated[int, BeforeValidator(_whole)]
Truth = Annotated[bool, BeforeValidator(_truth)]
Dataset = Annotated[str, AfterValidator(_dataset)]
Model = Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


class TrainingConfig(BaseModel):
    """Everything that a trial depends on, and therefore what its run's config holds.

    No field has a default here: `configs/config.yaml` has them all, with their explanations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    scale: str = Field(description="name of a file in configs/scales")

    dataset: Dataset = Field(description="digits, cifar10 or images:FOLDER")
    data_path: str = Field(description="folder of CIFAR-10")
    sample_ratio: Number = Field(gt=0, le=1, description="share of the images that is used")
    num_classes: Whole = Field(ge=2, description="number of classes of the data set")
    image_size: Whole = Field(ge=8, le=1024, description="height and width in pixels")

    model_name: Model = Field(description="a ResNet of torchvision")
    stem: Literal["imagenet", "cifar"] = Field(description="the first layers of the network")
    pretrained: Truth = Field(description="start from the weights of ImageNet")
    finetune: Truth = Field(description="train the last layer of a pretrained network alone")

    batch_size: Whole = Field(ge=2, description="images per training step")
    num_epochs: Whole = Field(ge=1, description="passes over the training images")
    learning_rate: Number = Field(gt=0, description="highest step size; scheduler says when")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(description="one of torch.optim")
    momentum: Number = Field(ge=0, lt=1, description="of sgd")
    weight_decay: Number = Field(ge=0, description="of every optimizer")
    scheduler: Literal["step", "cosine", "one_cycle", "none"] = Field(
        description="course of the learning rate"
    )
    label_smoothing: Number = Field(ge=0, lt=1, description="share of the target for all classes")
    seed: Whole = Field(ge=0, lt=2**32, description="of weights, image order and augmentation")

    compile: Literal["none", "default", "reduce-overhead"] = Field(
        description="a mode of torch.compile"
    )

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
        """The folder that `data_path` names."""
        return from_root(self.data_path)


def resolve(
    arguments: Mapping[str, Any] | None = None, swept: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Merge the layers of the configuration, later ones winning.

    The layers are `configs/config.yaml`, the file of the scale, the command line's `arguments`,
    and the values that were `swept`.  Any of them but the scale's file may name the scale.  A
    `point` among the values stands for the parameters in it.

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
    """Return values with the parameters of a `point` in its place, which an agent hands on as text.

    Raises:
        WorkshopError: the point is no mapping.
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
            f"{POINT} is {point!r}: it must be a mapping of parameters, such as "
            "{learning_rate: 0.1, optimizer: sgd}"
        )
    return values | read


def parse_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Read `--key=value` pairs as text; `--help` lists the keys and exits.

    An unknown key is kept: `resolve` refuses it with a sentence that knows the right ones.
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
    """Say what is wrong with one value of a field of `TrainingConfig`; None if nothing is."""
    field = TrainingConfig.model_fields[key]
    adapter = TypeAdapter(Annotated[field.annotation, field], config=TrainingConfig.model_config)
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        return expectation(error.errors()[0])
    return None


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises:
        WorkshopError: The file is missing, is not YAML, or holds something else.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or error
        raise WorkshopError(f"{shown(file)} cannot be read ({problem}): check its path") from error
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f" in line {place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or "unknown problem"
        raise WorkshopError(f"{shown(file)} is not valid YAML{line}: {problem}") from error
    if content is not None and not isinstance(content, dict):
        raise WorkshopError(
            f"{shown(file)} holds a {type(content).__name__}, but it must hold `key: value` lines"
        )
    return content or {}


Layers = dict[str, dict[str, Any]]  # from the name of a source to its keys and values


def _merged(layers: Layers) -> dict[str, Any]:
    return {key: value for values in layers.values() for key, value in values.items()}


def _origins(layers: Layers) -> dict[str, str]:
    """Say for each key which layer had the last word."""
    return {key: name for name, values in layers.items() for key in values}


def _scale_file(layers: Layers) -> Path:
    folder = CONFIGS / "scales"
    scale = _merged(layers).get("scale")
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if scale not in known:
        origin = _origins(layers).get("scale", shown(CONFIGS / "config.yaml"))
        raise WorkshopError(
            f"{origin}: scale is {scale!r}, but it must be one of {', '.join(known)}, "
            "the files in configs/scales"
        )
    return folder / f"{scale}.yaml"


def _sentence(errors: Sequence[ErrorDetails], origins: Mapping[str, str]) -> str:
    """Word the first of pydantic's errors, and say how many more there are."""
    first = errors[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    if not key:
        message = f"the configuration: {first['msg']}"
    elif first["type"] == "missing":
        message = f"configs/config.yaml: {key} is missing, so add a line `{key}: VALUE`"
    elif first["type"] == "extra_forbidden":
        message = (
            f"{origins[key]}: {key} is no parameter of the trainer; configs/config.yaml lists them"
            f"{closest(key, TrainingConfig.model_fields)}"
        )
    else:
        message = f"{origins[key]}: {key} {expectation(first)}"
    return message + and_more(errors)


def expectation(error: ErrorDetails) -> str:
    """Word one of pydantic's errors: what the value is, and what it must be."""
    return f"is {error['input']!r}, but it must be {expected(error)}"


def expected(error: ErrorDetails) -> str:
    """Return what a value must be, by one of pydantic's errors."""
    return error["msg"].removeprefix("Input should be ")


def and_more(errors: Sequence[ErrorDetails]) -> str:
    """Return how many of pydantic's errors there are beside the first, as the end of a sentence."""
    more = len(errors) - 1
    return f" (and {more} more problem{'s' if more > 1 else ''})" if more else ""


def from_root(folder: str) -> Path:
    """Resolve a relative path from the repository, whatever the working directory is."""
    return (ROOT / Path(folder).expanduser()).resolve()
