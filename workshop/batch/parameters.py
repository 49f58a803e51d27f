"""Parameters of notebooks: what the tagged cells declare, and what the command line sets.

papermill alone takes any value for any name: it warns of an unknown one, and `at_once=two` fails
in some cell, minutes later.
"""

import ast
import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import papermill
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from workshop.config import closest, expectation
from workshop.errors import WorkshopError
from workshop.server.search import numerals

Declared = dict[str, TypeAdapter]
"""The parameters of a notebook and the type of each."""


class Assignment(NamedTuple):
    """A parameter on the command line: its name, the value that YAML reads, and what was typed."""

    name: str
    value: Any
    text: str


def assignment(text: str) -> Assignment:
    """Read `name=value`, whose value is YAML.

    Raises:
        WorkshopError: there is no value, or it is no YAML.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise WorkshopError(f"parameter {text!r} has no value: write it as name=value")
    try:
        return Assignment(name, numerals.load(value), value)
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
    values: Mapping[str, Any],
    types: Mapping[Path, Declared],
    typed: Mapping[str, str] | None = None,
) -> dict[Path, dict[str, Any]]:
    """Return the values that each notebook gets: those of the parameters that it declares.

    Args:
        values: the parameters.
        types: what each notebook declares.
        typed: for parameters from the command line, what was typed there.

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
            name: _value(name, value, parameters[name], notebook, (typed or {}).get(name))
            for name, value in values.items()
            if name in parameters
        }
        for notebook, parameters in types.items()
    }


def _value(name: str, value: Any, kind: TypeAdapter, notebook: Path, text: str | None) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = "".join(f"[{index}]" for index in first["loc"])
        advice = "" if text is None else _advice(name, text, first)
        raise WorkshopError(
            f"parameter {name}{place} of {notebook.stem} {expectation(first)}{advice}"
        ) from None


def _advice(name: str, text: str, error: ErrorDetails) -> str:
    """Return what to type instead, where brackets or quotes are all that is missing."""
    if error["type"] == "list_type":
        return f", in brackets: -p {name}={shlex.quote(f'[{text}]')}"
    if error["type"] != "string_type":
        return ""
    # The items of a list as they were typed: to this loader, everything is text.
    meant = yaml.load(text, yaml.BaseLoader) if error["loc"] else text  # noqa: S506
    quoted = json.dumps(meant, ensure_ascii=False)
    return f", in quotes of its own: -p {name}={shlex.quote(quoted)}"


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
