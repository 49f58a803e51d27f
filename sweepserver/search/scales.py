"""How the values of a sweep's parameters are compared: as its definition has them.

Whoever draws, correlates, sorts or lists values asks here, and never the values of runs: those of a
few runs may all be whole numbers, or all be null.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from sweepserver.search import numerals
from sweepserver.search.parameters import is_number, nested

NULL = "null"
"""How a null is called, which is a value of a parameter whose definition lists it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How the values of one parameter are compared.

    Attributes:
        kind: numbers by their logarithms, numbers as they are, or without an order of size.
        values: those that the definition lists, in its order; none for a range.
    """

    kind: Literal["log", "linear", "category"]
    values: tuple = ()

    @property
    def has_null(self) -> bool:
        """Whether null is one of the values; if not, a run with a null lacks the parameter."""
        return None in self.values

    def read(self, value: Any) -> Any:
        """Return a run's value as it is listed: a number that is written as text as a number."""
        return value if self.kind == "category" else numerals.read(value)

    def text(self, value: Any) -> str:
        """Return a run's value as a sentence names it."""
        return NULL if value is None else str(self.read(value))

    def number(self, value: object) -> float | None:
        """Return the number that a value is, None if it has no place on a scale of numbers.

        A logarithmic one has no place for 0 and less.
        """
        value = self.read(value)
        if self.kind == "category" or not is_number(value) or (self.kind == "log" and value <= 0):
            return None
        return float(value)

    def level(self, value: object) -> str | None:
        """Return the name of a value that stands for itself alone: a category's, or null.

        None for numbers, and for a run that lacks the parameter.
        """
        if value is None:
            return NULL if self.has_null else None
        if self.kind != "category" or value != value:  # NaN
            return None
        return str(int(value) if isinstance(value, float) and value.is_integer() else value)

    def ordered(self, levels: Iterable[str]) -> list[str]:
        """Return levels in the definition's order; those that it does not list come last."""
        places = {self.level(value): place for place, value in enumerate(self.values)}
        return sorted(levels, key=lambda level: (places.get(level, len(places)), level))


def hyperparameters(config: Mapping) -> dict[str, Scale]:
    """Return the parameters that a sweep varies, each with the scale on which it does.

    Args:
        config: A sweep's configuration.  Parameters with one possible value are left out; it has
            none at all if a scheduler of the user's own thinks of them.

    Returns:
        Scales by name, nested parameters as `outer.inner`, and so are the keys of a parameter
        whose values are mappings.  A distribution says its scale itself;
        a list of numbers, a null among them or not, is logarithmic if their ratios are more even
        than their differences (0.1, 0.01, 0.001).
    """
    found: dict[str, Scale] = {}
    for name, settings in (config.get("parameters") or {}).items():
        if inner := nested(settings):
            scales = hyperparameters({"parameters": inner})
            found |= {f"{name}.{key}": scale for key, scale in scales.items()}
        elif mappings := _mappings(settings):
            for key in dict.fromkeys(key for mapping in mappings for key in mapping):
                values = [mapping[key] for mapping in mappings if key in mapping]
                if scale := _scale_of(values):
                    found[f"{name}.{key}"] = scale
        elif scale := _scale(settings):
            found[name] = scale
    return found


def _mappings(settings: Mapping) -> Sequence[Mapping]:
    """Return the values of a parameter if all of them are mappings, else none."""
    values = settings.get("values", ())
    return values if all(isinstance(value, Mapping) for value in values) else ()


def _scale(settings: Mapping) -> Scale | None:
    """Return the scale of one parameter, None if it does not vary."""
    if "values" in settings:
        return _scale_of(settings["values"])
    if "value" in settings or settings.get("min", 0) == settings.get("max", 1):
        return None
    return Scale("log" if "log" in settings.get("distribution", "uniform") else "linear")


def _scale_of(values: Sequence) -> Scale | None:
    read = [numerals.read(value) for value in values if value is not None]
    if read and all(map(is_number, read)):
        scale = Scale(_kind(sorted(set(read))), tuple(values))
        distinct = len({scale.number(value) for value in values})
    else:
        scale = Scale("category", tuple(values))
        distinct = len({scale.level(value) for value in values})
    return scale if distinct > 1 else None


def _kind(ordered: Sequence[float]) -> Literal["log", "linear"]:
    if len(ordered) < 2 or ordered[0] <= 0:
        return "linear"
    differences = [high - low for low, high in pairwise(ordered)]
    ratios = [math.log(high / low) for low, high in pairwise(ordered)]
    return "log" if _unevenness(ratios) < _unevenness(differences) else "linear"


def _unevenness(steps: Sequence[float]) -> float:
    return statistics.pstdev(steps) / statistics.fmean(steps)
