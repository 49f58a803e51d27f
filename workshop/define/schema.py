"""The schema of a sweep's program: which parameters it takes, and what it logs.

The kit's own programs take the trainer's parameters and log its metrics, so their definitions are
checked against these.  Other programs may bring a schema of their parameters (`foreign_schema`).
Without one, any name is accepted; `workshop adopt` tries such a program.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from workshop.define import foreign_schema, program
from workshop.trainer.config import TrainingConfig, field_error
from workshop.trainer.metrics import (
    EPOCH,
    EPOCH_SECONDS,
    LOGGED,
    METRICS,
    TRAIN_LOSS,
    VALIDATION_ACCURACY,
)


@dataclass(frozen=True)
class Schema:
    """What a program takes and logs.

    Attributes:
        parameters: the names of its parameters.
        metrics: the metrics that a sweep can use; empty if they're unknown.
        logged: everything that it logs; empty if that's unknown.
        curves: the names for learning curves: the axis, then what is drawn with the metric.
        units: the unit of each logged name that has one; losses have none.
        error: returns the problem of a parameter's value; None if there is none.
        mappings: the parameters whose values are mappings.
        is_open: whether it takes other parameters as well.
    """

    parameters: Collection[str]
    metrics: tuple[str, ...]
    logged: Collection[str]
    curves: tuple[str, ...]
    units: Mapping[str, str]
    error: Callable[[str, Any], str | None]
    mappings: Collection[str] = ()
    is_open: bool = False


TRAINER = Schema(
    parameters=tuple(TrainingConfig.model_fields),
    metrics=METRICS,
    logged=LOGGED,
    curves=(EPOCH, TRAIN_LOSS),
    units={VALIDATION_ACCURACY: "%", EPOCH_SECONDS: "s"},
    error=field_error,
)


def find(definition: Mapping[str, Any]) -> Schema | None:
    """Return the schema of a sweep's program; None if it has none.

    Raises:
        WorkshopError: the program brings one that can't be read.
    """
    if kit := of_kit(definition):
        return kit
    brought = foreign_schema.find(definition)
    if brought is None:
        return None
    return Schema(
        parameters=brought.names,
        metrics=(),
        logged=(),
        curves=(),
        units={},
        error=brought.error,
        mappings=brought.mappings,
        is_open=brought.is_open,
    )


def of_kit(definition: Mapping[str, Any]) -> Schema | None:
    """Return the schema of a sweep's program; None if the program isn't part of the kit."""
    return None if program.is_foreign(definition) else TRAINER


def unit(metric: str, definition: Mapping[str, Any]) -> str:
    """Return the unit of what a sweep's program logs under a name; "" if it has none.

    The unit of what another program logs is unknown, even under the same name.
    """
    known = of_kit(definition)
    return known.units.get(metric, "") if known else ""
