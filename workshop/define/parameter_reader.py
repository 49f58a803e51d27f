"""Print the parameters of a program as JSON: `python parameter_reader.py MODULE:OBJECT FOLDER …`.

The program's own interpreter runs this file, so it needs only the standard library.  OBJECT is a
pydantic model, an `argparse.ArgumentParser`, or a function without arguments that returns a parser;
MODULE is looked for in each FOLDER.  The last line is a JSON schema, or `{"problem": …}`.
"""

import argparse
import builtins
import importlib
import json
import sys
from typing import Any


class _StartsRun(BaseException):
    """The import of the module reached `wandb.init`."""


def _refuse(*_: object, **__: object) -> None:
    raise _StartsRun


def _watch_wandb() -> None:
    """Let `wandb.init` fail, however wandb is imported."""
    original = builtins.__import__

    def watching(name: str, *arguments: Any, **options: Any) -> Any:
        module = original(name, *arguments, **options)
        if hasattr(wandb := sys.modules.get("wandb"), "init"):
            wandb.init = _refuse  # type: ignore[union-attr]
        return module

    builtins.__import__ = watching


def read(target: str, folders: list[str]) -> dict[str, Any]:
    """Return the JSON schema of `MODULE:OBJECT`, or its problem."""
    name, _, attribute = target.partition(":")
    sys.path[:1] = folders  # in place of this file's own folder
    sys.argv = [name]
    _watch_wandb()
    try:
        found = getattr(importlib.import_module(name), attribute)
        if hasattr(found, "model_json_schema"):
            schema: dict[str, Any] = found.model_json_schema()
            return schema | {"strict": bool(found.model_config.get("strict"))}
        if callable(found):
            found = found()
    except _StartsRun:
        return {
            "problem": "it starts a run: put the training into a function, and call it under "
            '`if __name__ == "__main__":`'
        }
    except SystemExit as error:
        return {
            "problem": f"it ends the program with status {error.code}: parse the command line "
            'under `if __name__ == "__main__":`'
        }
    except Exception as error:
        return {"problem": f"it fails ({type(error).__name__}: {error}): correct that"}
    if not isinstance(found, argparse.ArgumentParser):
        return {
            "problem": f"{attribute} is a {type(found).__name__}: name a pydantic model, or an "
            "argparse parser or a function that returns one"
        }
    return {"properties": _options(found), "text": True}


def _options(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return what each long option takes, as properties of a JSON schema."""
    kinds = {int: "integer", float: "number"}
    found: dict[str, Any] = {}
    for action in parser._actions:
        for option in action.option_strings:
            if not option.startswith("--") or isinstance(action, argparse._HelpAction):
                continue
            given: dict[str, Any] = {}
            if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
                given["type"] = "boolean"
            elif action.nargs is None:
                if action.type in kinds:
                    given["type"] = kinds[action.type]
                if action.choices is not None:
                    given["enum"] = list(action.choices)
            found[option[2:]] = given
    return found


if __name__ == "__main__":
    print("\n" + json.dumps(read(sys.argv[1], sys.argv[2:]), default=str))
