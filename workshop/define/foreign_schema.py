"""The schema that a program of one's own brings: which parameters it takes, and their values.

The nearest `pyproject.toml` at or above the program's folder may name it, by the program's path:

    [tool.workshop.schemas]
    "train.py" = "train:parser"

The named object is a pydantic model, an argparse parser, or a function that returns one.  The
program's own interpreter imports it (`parameter_reader`), in a process that cannot start a run.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from workshop.define import program
from workshop.errors import WorkshopError, expectation
from workshop.paths import shown
from workshop.wording import listed

READER = Path(__file__).with_name("parameter_reader.py")
IMPORT_LIMIT_S = 60
_PYTHON = re.compile(r".*/python[\d.]*")
_TYPES = {
    "integer": int, "number": float, "boolean": bool, "string": str, "array": list, "null": None,
}  # fmt: skip
_BOUNDS = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
_KINDS = {int: "integer", float: "number"}


class Parameters:
    """The parameters that a program takes.

    Args:
        schema: the JSON schema that `parameter_reader` printed.

    Attributes:
        names: of the parameters; those of a nested one are `outer.inner`.
        mappings: those of them that take any mapping.
        is_open: whether the program takes others as well.
    """

    def __init__(self, schema: Mapping[str, Any]):
        self._definitions = schema.get("$defs", {})
        self._is_text = schema.get("text", False)  # values come as text of a command line
        self._config = ConfigDict(strict=schema.get("strict", False), allow_inf_nan=False)
        properties = dict(self._leaves(schema.get("properties", {})))
        self.names = tuple(properties)
        self.mappings = frozenset(
            name for name, given in properties.items() if given.get("type") == "object"
        )
        self.is_open = schema.get("additionalProperties") is True
        self._types: dict[str, TypeAdapter] = {
            name: TypeAdapter(self._type(given), config=self._config)
            for name, given in properties.items()
        }

    def error(self, name: str, value: Any) -> str | None:
        """Return the problem of a parameter's value; None if there is none."""
        try:
            self._types[name].validate_python(value)
        except ValidationError as error:
            return expectation(error.errors()[0])
        return None

    def _leaves(
        self, properties: Mapping[str, Any], outer: str = ""
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, given in properties.items():
            resolved = self._resolved(given)
            if inner := resolved.get("properties"):
                yield from self._leaves(inner, f"{outer}{name}.")
            else:
                yield outer + name, resolved

    def _resolved(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a schema in place of a reference to it."""
        name = given.get("$ref", "").removeprefix("#/$defs/")
        return self._definitions.get(name, {}) if name else given

    def _type(self, given: Mapping[str, Any]) -> Any:
        """Return the type of what a JSON schema describes; `Any` for what isn't known here."""
        given = self._resolved(given)
        if "const" in given or "enum" in given:
            return Annotated[Any, BeforeValidator(_one_of(given.get("enum", [given.get("const")])))]
        if options := given.get("anyOf"):
            return reduce(or_, map(self._type, options))
        if given.get("type") not in _TYPES:
            return Any
        kind: Any = _TYPES[given["type"]]
        bounds = {_BOUNDS[key]: value for key, value in given.items() if key in _BOUNDS}
        if kind in _KINDS and self._is_text:
            kind = Annotated[kind, BeforeValidator(_read_as(kind))]
        return Annotated[kind, Field(**bounds)] if bounds else kind


def find(definition: Mapping[str, Any]) -> Parameters | None:
    """Return the parameters of a sweep's program; None if it brings no schema.

    Only files that belong to this user are imported, because a definition may be someone else's.

    Raises:
        WorkshopError: the schema can't be read.
    """
    file = program.file(definition)
    if file is None:
        return None
    for folder in file.parents:
        project = folder / "pyproject.toml"
        if project.is_file():
            break
    else:
        return None
    target = _named(project, file)
    if target is None or not _is_own(project, file):
        return None
    folders = tuple(dict.fromkeys(map(str, (file.parent, project.parent))))
    module = target.partition(":")[0].replace(".", "/") + ".py"
    files = [project, *(place for folder in folders if (place := Path(folder, module)).exists())]
    if not _is_own(*files):
        return None
    changed = tuple(place.stat().st_mtime_ns for place in files)
    return _read(_interpreter(definition), target, folders, shown(project), changed)


def _named(project: Path, file: Path) -> str | None:
    """Return the `MODULE:OBJECT` that a project names for a program; None if it names none.

    Raises:
        WorkshopError: the file isn't TOML, or the name isn't of this form.
    """
    try:
        tool = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError) as error:
        raise WorkshopError(
            f"{shown(project)} cannot be read ({error}): correct it, or remove it"
        ) from None
    schemas = tool.get("workshop", {}).get("schemas", {})
    target = schemas.get(str(file.relative_to(project.parent)))
    if target is not None and not re.fullmatch(r"\w+(\.\w+)*:\w+", str(target)):
        raise WorkshopError(
            f"{shown(project)} names {target!r} as the schema of {file.name}: it must be of the "
            'form "module:object"'
        )
    return target


def _is_own(*files: Path) -> bool:
    return all(file.exists() and file.stat().st_uid == os.getuid() for file in files)


def _interpreter(definition: Mapping[str, Any]) -> str:
    """Return the interpreter that a sweep's command names; this one if it names none by its path.

    A command without one starts the `python` of the agents' environment, which is this one.
    """
    named = (word for word in program.words(definition) if _PYTHON.fullmatch(word))
    return next(named, sys.executable)


@lru_cache(maxsize=16)
def _read(
    interpreter: str, target: str, folders: tuple[str, ...], project: str, _changed: tuple[int, ...]
) -> Parameters:
    """Ask an interpreter for the parameters of a program, again if its files have changed.

    Raises:
        WorkshopError: the module can't be imported, or has no such object.
    """
    said = f"the schema {target} in {project}"
    try:
        done = subprocess.run(
            [interpreter, str(READER), target, *folders], cwd=folders[0],
            env=os.environ | {"WANDB_MODE": "disabled"}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=IMPORT_LIMIT_S,
        )  # fmt: skip
        found = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        problem = (
            f"its import takes longer than {IMPORT_LIMIT_S} s: put what takes so long into a "
            "function"
        )
    except OSError as error:
        problem = f"{interpreter} cannot be started ({error.strerror}): correct the command"
    except (ValueError, IndexError):
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        problem = f"its import fails ({last[0]}): correct that"
    else:
        problem = found.get("problem")
    if problem:
        raise WorkshopError(f"{said} cannot be read, because {problem}")
    return Parameters(found)


def _one_of(choices: list[Any]) -> Any:
    """Return a validator for a list of choices, with pydantic's words."""
    words = {"listed": listed(map(repr, choices), "or")}

    def check(value: Any) -> Any:
        if not any(value == choice and isinstance(value, bool) == isinstance(choice, bool)
                   for choice in choices):  # fmt: skip
            raise PydanticCustomError("enum", "Input should be {listed}", words)
        return value

    return check


def _read_as(kind: type[int] | type[float]) -> Any:
    """Return a validator that reads a number from text, as argparse does."""

    def read(value: Any) -> Any:
        try:
            return kind(str(value))
        except ValueError:
            words = {"kind": _KINDS[kind]}
            raise PydanticCustomError("number", "Input should be a valid {kind}", words) from None

    return read
