"""What several exercises ask of a sweep's definition."""

from collections.abc import Mapping
from typing import Any

from workshop.answers.report import Condition
from workshop.lint import lint
from workshop.sweep import combinations


def sound(definition: Any) -> Condition:
    """Look whether this is a definition at all, in which the linter finds nothing."""
    if not isinstance(definition, Mapping):
        kind = type(definition).__name__
        yield False, "", f"this is a {kind}, no definition: give the dictionary that `load` returns"
        return False
    problems = lint(definition)
    for problem in problems:
        yield False, "", problem
    if not problems:
        yield True, "the linter finds nothing", ""
    return not problems


def ends(definition: Mapping, most: int) -> Condition:
    """Look whether a sweep ends, after so many runs at the most."""
    runs = combinations(definition)
    if runs is None:
        method = definition["method"]
        yield False, "", f"method {method} goes on for ever: say after how many runs it ends"
        return False
    yield (
        runs <= most,
        f"it ends after {runs} runs",
        f"it has {runs} runs, and {most} are the most that there is time for: try less at once",
    )
    return runs <= most


def unchanged(definition: Mapping, original: Mapping, *but: str) -> Condition:
    """Look whether only some sections of a definition were changed."""
    changed = sorted(
        section
        for section in {*definition, *original} - {*but}
        if definition.get(section) != original.get(section)
    )
    yield (
        not changed,
        f"nothing but {' and '.join(but)} was changed",
        f"{', '.join(changed)} changed as well: start again from what `load` returns",
    )
    return not changed
