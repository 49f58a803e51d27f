"""The program that a sweep's agents start, and its working directory.

An agent starts its program in its own working directory.  If the program is somewhere else, the
command has `env` change the directory first:
`["${env}", "--chdir=/home/me/project", "${interpreter}", "${program}", "${args}"]`.  That works for
every agent: in a notebook, in a terminal and in an array.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from workshop.paths import ROOT

DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")
"""The command of a sweep without one."""
KIT = ROOT / "workshop"
TRAINER = KIT / "wandb_sweep.py"
_CHDIR = "--chdir="


def words(definition: Mapping[str, Any]) -> list[str]:
    """Return the words of a sweep's command, with its macros."""
    command = definition.get("command")
    return [str(word) for word in command] if isinstance(command, list) else [*DEFAULT]


def folder(definition: Mapping[str, Any], of_agent: Path = ROOT) -> Path:
    """Return the working directory of a sweep's program, given its agent's."""
    changed = (word.removeprefix(_CHDIR) for word in words(definition) if _is_chdir(word))
    return of_agent / next(changed, "")


def named(definition: Mapping[str, Any]) -> Path | None:
    """Return the file that a sweep starts, as written in its definition; None if there is none.

    A module, `-m package.module`, is returned as the file that it has in the folder.
    """
    given = words(definition)
    for option, module in pairwise(given):
        if option == "-m" and not module.startswith("${"):
            return Path(*module.split(".")).with_suffix(".py")
    for word in given:
        if word.endswith(".py") and "${" not in word:
            return Path(word)
    program = definition.get("program")
    return Path(str(program)) if program else None


def file(definition: Mapping[str, Any]) -> Path | None:
    """Return the absolute path of the file that a sweep starts; None if there is none."""
    program = named(definition)
    return None if program is None else (folder(definition) / program).resolve()


def unfound_in(definition: Mapping[str, Any], of_agent: Path = ROOT) -> Path | None:
    """Return the folder in which the agents of a sweep look for its program in vain.

    Args:
        definition: of the sweep.
        of_agent: the folder in which its agents start.

    Returns:
        None if they find the program, or if the command names another file than `program`.
    """
    program = definition.get("program")
    if not program or "${program}" not in words(definition):
        return None
    place = folder(definition, of_agent)
    return None if (place / str(program)).is_file() else place


def is_foreign(definition: Mapping[str, Any]) -> bool:
    """Return whether a sweep starts a program that isn't part of the kit.

    A definition without a program counts as one for the trainer.
    """
    program = file(definition)
    return program is not None and not program.is_relative_to(KIT)


def started_in(definition: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Return a definition whose agents start the program in the given folder."""
    env, *rest = words(definition)
    rest = [word for word in rest if not _is_chdir(word)]
    rest = rest if env == "${env}" else [env, *rest]
    return {**definition, "command": ["${env}", f"{_CHDIR}{place}", *rest]}


def placed(definition: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Return a definition that was read from a folder, for agents with another folder.

    If its program is in that folder, agents start it there; otherwise nothing changes.
    """
    program = named(definition)
    is_elsewhere = (
        program is None or program.is_absolute() or any(map(_is_chdir, words(definition)))
    )
    if is_elsewhere or place == ROOT or not (place / str(program)).is_file():
        return dict(definition)
    return started_in(definition, place)


def _is_chdir(word: str) -> bool:
    return word.startswith(_CHDIR)
