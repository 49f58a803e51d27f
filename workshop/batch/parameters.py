"""Parameters of notebooks: what the tagged cells declare, and what the command line sets.

papermill alone takes any value for any name: it warns of an unknown one, and `at_once=two` fails
in some cell, minutes later.
"""

import ast
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import papermill
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from workshop.config import closest, expectation
from workshop.errors import WorkshopError
from workshop.server.search import numerals

Declared = dict[str, TypeAdapter]
"""The parameters of a notebook and the type of each."""


def assignment(text: str) -> tuple[str, Any]:
    """Read `name=value`, whose value is YAML.

    Raises:
        WorkshopError: there is no value, or it is no YAML.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise WorkshopError(f"parameter {text!r} has no value: write it as name=value")
    try:
        return name, yaml.load(value, numerals.Loader)  # noqa: S506 (a safe loader)
    except yaml.YAMLError:
        raise WorkshopError(
            f"parameter {name!r} has the value {value!r}, which is no YAML: close its brackets "
            "and quotes, or put all of it into quotes"
        ) from None


def declared(notebook: Path) -> Declared:
    """Return what a notebook's tagged cell `parameters` declares.

    A parameter has the type of its annotation (`rates: list[float] = []`), else that of its
    default; the items of a list have that of the default's first item.
    """
    return {
        name: _type(entry["inferred_type_name"], entry["default"])
        for name, entry in papermill.inspect_notebook(notebook).items()
    }


def checked(
    values: Mapping[str, Any], types: Mapping[Path, Declared]
) -> dict[Path, dict[str, Any]]:
    """Return the values that each notebook gets: those of the parameters that it declares.

    Raises:
        WorkshopError: no notebook declares one of the parameters, or a value has another type
            than a notebook's default.
    """
    known = {name for parameters in types.values() for name in parameters}
    for name in values:
        if name not in known:
            raise WorkshopError(
                f"no notebook has the parameter {name!r}{closest(name, known)}: "
                f"there {'are ' + ', '.join(sorted(known)) if known else 'is none'}"
            )
    return {
        notebook: {
            name: _value(name, value, parameters[name], notebook)
            for name, value in values.items()
            if name in parameters
        }
        for notebook, parameters in types.items()
    }


def _value(name: str, value: Any, kind: TypeAdapter, notebook: Path) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = "".join(f"[{index}]" for index in first["loc"])
        advice = {
            "string_type": f", in quotes of its own: -p {name}='\"{value}\"'",
            "list_type": f", in brackets: -p {name}='[{value}]'",
        }.get(first["type"], "")
        raise WorkshopError(
            f"parameter {name}{place} of {notebook.stem} {expectation(first)}{advice}"
        ) from None


def _type(annotation: str, default: str) -> TypeAdapter:
    strict = ConfigDict(strict=True)
    if annotation != "None":
        with suppress(SyntaxError):
            kind = TypeAdapter(annotation, config=strict)
            if kind.pydantic_complete:  # and no type that only the notebook knows
                return kind
    try:
        value = ast.literal_eval(default)
    except (ValueError, SyntaxError):
        return TypeAdapter(Any)  # what an expression gives is known to its kernel alone
    if value is None:
        return TypeAdapter(Any)
    kind = type(value)
    if isinstance(value, list | tuple):  # YAML has no tuples, and papermill would write text
        kind = list[type(value[0])] if value else list
    return TypeAdapter(kind, config=strict)
