"""Parameters of notebooks: those that tagged cells declare, and those from the command line.

They are checked here because papermill accepts any value for any name: it only warns about an
unknown name, and `at_once=two` would fail in some cell, minutes later.
"""

import ast
import json
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import GenericAlias
from typing import Any, NamedTuple

import papermill
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sweepserver.search import numerals
from sweepserver.search.values import closest
from workshop.errors import WorkshopError, expectation

Declared = dict[str, TypeAdapter]
"""The parameters of a notebook and the type of each."""


class Assignment(NamedTuple):
    """A parameter from the command line: its name, its value as YAML, and the typed text."""

    name: str
    value: Any
    text: str


def assignment(text: str) -> Assignment:
    """Parse `name=value`, whose value is YAML.

    Raises:
        WorkshopError: there is no value, or it isn't YAML.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise WorkshopError(f"parameter {text!r} has no value: write it as name=value")
    try:
        return Assignment(name, numerals.load(value), value)
    except yaml.YAMLError:
        raise WorkshopError(
            f"parameter {name!r} has the value {value!r}, which is not valid YAML: close its "
            "brackets and quotes, or quote all of it"
        ) from None


def collected(
    assignments: Iterable[str], **options: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters of a command line, and the typed text of those that are assignments.

    Args:
        assignments: each `name=value`, from `-p`.
        options: the parameters that have an option of their own, such as `--scale`; None if the
            option isn't used.

    Raises:
        WorkshopError: an assignment can't be parsed, or a parameter is given twice.
    """
    parameters: dict[str, Any] = {}
    typed: dict[str, str] = {}
    for name, value, text in map(assignment, assignments):
        if name in parameters:
            raise WorkshopError(f"-p {name} is given more than once: keep one of them")
        parameters[name], typed[name] = value, text
    for name, value in options.items():
        if value is not None:
            if parameters.get(name, value) != value:
                raise WorkshopError(
                    f"--{name} {value} and -p {name}={typed[name]} contradict each other: give one"
                )
            parameters[name] = value
    return parameters, typed


def declared(notebook: Path) -> Declared:
    """Return the parameters that a notebook's tagged cell `parameters` declares.

    A parameter's type is its annotation (`rates: list[float] = []`), or else its default's type; a
    list's items have the type of the default's first item.
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
    """Return the values for each notebook: those of the parameters that it declares.

    Args:
        values: the parameters.
        types: the parameters that each notebook declares.
        typed: the typed text of parameters from the command line.

    Raises:
        WorkshopError: no notebook declares one of the parameters, or a value has another type
            than a notebook's default.
    """
    known = {name for parameters in types.values() for name in parameters}
    for name in values:
        if name not in known:
            raise WorkshopError(
                f"no notebook has the parameter {name!r}{closest(name, known)}: "
                + (f"use one of {', '.join(sorted(known))}" if known else "they have none")
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
    """Return what to type instead, if only brackets or quotes are missing."""
    if error["type"] == "list_type":
        return f", in brackets: -p {name}={shlex.quote(f'[{text}]')}"
    if error["type"] != "string_type":
        return ""
    # The items of a list as they were typed: this loader reads everything as text.
    meant = yaml.load(text, yaml.BaseLoader) if error["loc"] else text  # noqa: S506
    quoted = json.dumps(meant, ensure_ascii=False)
    return f", in its own quotes: -p {name}={shlex.quote(quoted)}"


def _type(annotation: str, default: str) -> TypeAdapter:
    strict = ConfigDict(strict=True)
    kind: Any = annotation  # pydantic accepts the name of a type
    if annotation != "None":
        with suppress(SyntaxError):
            adapter: TypeAdapter = TypeAdapter(kind, config=strict)
            if adapter.pydantic_complete:  # false for a type that only the notebook knows
                return adapter
    try:
        value = ast.literal_eval(default)
    except (ValueError, SyntaxError):
        return TypeAdapter(Any)  # only the kernel knows the value of an expression
    if value is None:
        return TypeAdapter(Any)
    kind = type(value)
    if isinstance(value, list | tuple):  # YAML has no tuples, and papermill would write text
        kind = GenericAlias(list, type(value[0])) if value else list
    return TypeAdapter(kind, config=strict)
