"""Lint the `command` of a sweep, with which its agents start the program.

The rules are those of the client's agent (`wandb/wandb_agent.py`, and
https://docs.coreweave.com/products/wandb/sweeps/define-sweep-configuration#command-macros).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from sweepserver.search.values import closest
from workshop.define import program as programs
from workshop.define.program import DEFAULT
from workshop.paths import ROOT

VALUES = (
    "${args}", "${args_no_hyphens}", "${args_no_boolean_flags}", "${args_no_equals}",
    "${args_append_hydra}", "${args_override_hydra}", "${args_json}", "${args_json_file}",
)  # fmt: skip
"""The macros that pass the values to the program."""
MACROS = ("${env}", "${interpreter}", "${program}", *VALUES)
_WHERE = "give its path within the clone, beside the definition's file, or from the root (/)"
_MACRO = re.compile(r"\$\{[^}]*\}?")
_OPTION = re.compile(r"(^|\s)-")
_PYTHON = re.compile(r"(.*/)?python[\d.]*")
_VARIABLE = re.compile(r"\$\{envvar:[A-Z0-9_]*\}")


def problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of a sweep's program and command."""
    program, command = config.get("program"), config.get("command")
    if command is not None and not _is_list_of_words(command):
        yield f"command is {command!r}: it must be a list of words, such as {[*DEFAULT]}"
        return
    words = programs.words(config)
    folder = programs.folder(config)
    if program and not (folder / str(program)).is_file():
        yield f"program {program!r} does not exist: {_WHERE}"
    elif not program and "${program}" in words:
        yield "section 'program' is missing: name the program that agents run"
    yield from _word_problems(words)
    yield from _target_problems(words, folder)
    passes_values = any(macro in word for word in words for macro in VALUES)
    is_misspelled = any(word.startswith("${args") for word in words)  # which was named above
    if not (passes_values or is_misspelled):
        yield (
            "command passes no values to the program: add '${args}' as its last word, or the macro "
            "for the form in which the program takes them"
        )


def _is_list_of_words(command: Any) -> bool:
    return isinstance(command, list) and all(
        isinstance(word, str | int | float) for word in command
    )


def _word_problems(words: Sequence[str]) -> Iterator[str]:
    """Yield the words that are really several, and macros that an agent doesn't replace."""
    for before, word in zip(("", *words), words, strict=False):
        macros = [macro for macro in _MACRO.findall(word) if not _VARIABLE.fullmatch(macro)]
        is_script = before == "-c"  # of a shell, which takes it as one word
        if before == "${env}" and word.startswith("--chdir="):
            continue
        if " " in word.strip() and (macros or (_OPTION.search(word) and not is_script)):
            yield f"command has {word!r} as one item: make each word an item of the list"
            continue
        for macro in macros:
            if macro not in MACROS:
                known = closest(macro, MACROS) or f": it must be one of {', '.join(MACROS)}"
                yield f"command has {macro!r}, which is not one of the agent's macros{known}"
            elif macro != word:
                yield f"command has {macro!r} within {word!r}: an agent replaces only whole words"


def _target_problems(words: Sequence[str], folder: Path) -> Iterator[str]:
    """Yield a command that starts no program, and programs and modules that don't exist."""
    for option, module in pairwise(words):
        # In another folder, the program may have an environment of its own.
        is_known = option == "-m" and not module.startswith("${") and folder == ROOT
        if is_known and not _is_module(module):
            yield f"command runs the module {module!r}, which does not exist: correct its name"
    for word in words:
        if word.endswith(".py") and "${" not in word and not (folder / word).is_file():
            yield f"command runs {word!r}, which does not exist: {_WHERE}"
    if all(_is_beside_the_program(word) for word in words):
        yield "command starts no program: add '${program}', or '-m' and the name of a module"


def _is_beside_the_program(word: str) -> bool:
    return (
        word in ("${env}", "${interpreter}", *VALUES)
        or word.startswith("-")
        or bool(_PYTHON.fullmatch(word))
    )


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
