"""The `command` of a sweep: how its agents start the program.

The rules are those of the client's agent (`wandb/wandb_agent.py`, and
https://docs.coreweave.com/products/wandb/sweeps/define-sweep-configuration#command-macros).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from sweepserver.search.values import closest
from workshop.paths import ROOT

DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")
VALUES = (
    "${args}", "${args_no_hyphens}", "${args_no_boolean_flags}", "${args_no_equals}",
    "${args_append_hydra}", "${args_override_hydra}", "${args_json}", "${args_json_file}",
)  # fmt: skip
"""The macros that hand the program its values."""
MACROS = ("${env}", "${interpreter}", "${program}", *VALUES)
_MACRO = re.compile(r"\$\{[^}]*\}?")
_OPTION = re.compile(r"(^|\s)-")
_PYTHON = re.compile(r"(.*/)?python[\d.]*")
_VARIABLE = re.compile(r"\$\{envvar:[A-Z0-9_]*\}")


def problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the program of a sweep and with how it is started."""
    program, command = config.get("program"), config.get("command")
    if command is not None and not _is_list_of_words(command):
        yield f"command is {command!r}: it must be a list of words, such as {[*DEFAULT]}"
        return
    words = [str(word) for word in command or DEFAULT]
    if program and not (ROOT / str(program)).is_file():
        yield f"program {program!r} does not exist: give its path within the clone"
    elif not program and "${program}" in words:
        yield "section 'program' is missing: name the program that agents run"
    yield from _word_problems(words)
    yield from _target_problems(words)
    if not any(macro in word for word in words for macro in VALUES):
        yield "command hands the program no values: add '${args}' as its last word"


def _is_list_of_words(command: Any) -> bool:
    return isinstance(command, list) and all(
        isinstance(word, str | int | float) for word in command
    )


def _word_problems(words: Sequence[str]) -> Iterator[str]:
    """Yield that a word is several, or that an agent does not replace what looks like a macro."""
    for before, word in zip(("", *words), words, strict=False):
        macros = [macro for macro in _MACRO.findall(word) if not _VARIABLE.fullmatch(macro)]
        is_script = before == "-c"  # of a shell, which takes it as one word
        if " " in word.strip() and (macros or (_OPTION.search(word) and not is_script)):
            yield f"command has {word!r} as one word: make each of its words an item of the list"
            continue
        for macro in macros:
            if macro not in MACROS:
                known = closest(macro, MACROS) or f": it must be one of {', '.join(MACROS)}"
                yield f"command has {macro!r}, which is no macro of an agent{known}"
            elif macro != word:
                yield f"command has {macro!r} within {word!r}: an agent replaces whole words alone"


def _target_problems(words: Sequence[str]) -> Iterator[str]:
    """Yield that a command starts nothing, or what is not there."""
    for option, module in pairwise(words):
        if option == "-m" and not module.startswith("${") and not _is_module(module):
            yield f"command runs the module {module!r}, which does not exist: correct its name"
    for word in words:
        if word.endswith(".py") and "${" not in word and not (ROOT / word).is_file():
            yield f"command runs {word!r}, which does not exist: give its path within the clone"
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
