"""The parameters of a sweep: their order, their names, their distributions."""

from collections.abc import Iterator
from typing import TypeGuard

MOST_LEVELS = 20
LARGEST = 1e300  # the sum and the difference of two such numbers are numbers still


class SearchError(ValueError):
    """The configuration cannot be searched; the message is one sentence."""


def flatten(parameters: dict, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple, dict]]:
    """Yield (path, settings) of each parameter, alphabetically; nested ones have longer paths.

    Raises:
        SearchError: They are nested too deeply, as those that contain themselves are, or a name is
            no text.
    """
    if len(prefix) > MOST_LEVELS:
        raise SearchError(f"parameters are nested in more than {MOST_LEVELS} levels: use fewer")
    for name in parameters:
        if not isinstance(name, str):
            raise SearchError(f"parameter {name!r} has a name that isn't text: put it in quotes")
    for name, settings in sorted(parameters.items()):
        path = (*prefix, name)
        if inner := nested(settings):
            yield from flatten(inner, path)
        else:
            yield path, settings


def nested(settings: object) -> dict | None:
    """Return the parameters within a parameter that has nothing else, None if it has none."""
    if not isinstance(settings, dict) or len(settings) != 1:
        return None
    inner = settings.get("parameters")
    return inner if inner and isinstance(inner, dict) else None


def distribution(settings: dict) -> str:
    """Return a parameter's distribution, inferred as W&B does where none is named.

    It is empty if nothing tells: settings that `check` has passed have one.
    """
    if "distribution" in settings:
        return settings["distribution"]
    if "value" in settings:
        return "constant"
    if "values" in settings:
        return "categorical_w_probabilities" if "probabilities" in settings else "categorical"
    if "min" in settings and "max" in settings:
        whole = isinstance(settings["min"], int) and isinstance(settings["max"], int)
        return "int_uniform" if whole else "uniform"
    return ""


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number of a size that can be computed with."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and -LARGEST <= value <= LARGEST
    )


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number of at least 1."""
    return isinstance(value, int) and is_number(value) and value >= 1


def is_single(settings: dict) -> bool:
    """Return whether a parameter has a single value."""
    return "value" in settings or len(settings.get("values", ())) == 1
