"""The parameters of a program: their names, what they are now, and another value to try."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sweepserver import search
from workshop.adopt.source import Option

_LENGTH = re.compile(r"epoch|step|iter|round", re.IGNORECASE)
_NO_HYPERPARAMETER = re.compile(
    r"(^|[._-])(path|dir|folder|file|root|data_?dir|name|project|entity|device|host|port|url|key"
    r"|token|password|secret|resume|checkpoint|output|log|verbose|debug|gpu|workers|num_workers)s?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a program.

    Attributes:
        path: its name; of a nested one the names from the outside in.
        default: the value that it has in all trials but its own.
        other: the value that it has in its own trial; None if none is known.
        choices: the values that it is known to take; empty if they are not listed.
    """

    path: tuple[str, ...]
    default: Any
    other: Any = None
    choices: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """The name in one word."""
        return ".".join(self.path)

    @property
    def is_length(self) -> bool:
        """Whether it says how long the program trains."""
        return bool(_LENGTH.search(self.path[-1])) and isinstance(self.default, int)


def found(
    options: Iterable[Option], config: Mapping[str, Any], is_dotted: bool = False
) -> list[Parameter]:
    """Return the parameters of a program.

    Args:
        options: those that its text declares.
        config: the config of a run that was given no values.
        is_dotted: whether nested ones are handed over one by one, as `outer.inner=value`.
    """
    declared = [
        Parameter((option.name,), option.default, _other(option), option.choices)
        for option in options
        if option.default is not None and not _NO_HYPERPARAMETER.search(option.name)
    ]
    known = {parameter.name.replace("-", "_") for parameter in declared}
    known |= {option.name.replace("-", "_") for option in options}
    logged = [
        Parameter((".".join(path),) if is_dotted else path, value, another(path[-1], value))
        for path, value in sorted(_leaves(config))  # a run's config has no order of its own
        if ".".join(path).replace("-", "_") not in known and not _NO_HYPERPARAMETER.search(path[-1])
    ]
    return declared + logged


def swept(parameters: Mapping[str, Any]) -> list[Parameter]:
    """Return the parameters of a sweep, with two of the values that it tries."""
    made = []
    for path, settings in search.flatten(dict(parameters)):
        if "value" in settings:
            made.append(Parameter(path, settings["value"]))
        elif settings.get("values"):
            first, *rest = settings["values"]
            made.append(Parameter(path, first, rest[0] if rest else None, tuple(rest)))
        elif extremes := search.extremes(settings):
            made.append(Parameter(path, *extremes))
    return made


def another(name: str, value: Any) -> Any:
    """Return a value of the same kind, which is likely to be allowed; None if there is none."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        if _LENGTH.search(name):
            return 1 if value > 1 else 2
        return value // 2 if value >= 4 else value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.1
    return None


def _other(option: Option) -> Any:
    others = [choice for choice in option.choices if choice != option.default]
    return others[0] if others else another(option.name, option.default)


def _leaves(config: Mapping, path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        elif isinstance(value, bool | int | float | str):
            yield (*path, key), value
