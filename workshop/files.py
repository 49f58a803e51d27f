"""Files of the kit as text, YAML and paths, and what is wrong with them in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import ErrorDetails

from workshop.errors import WorkshopError
from workshop.paths import ROOT, shown


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
