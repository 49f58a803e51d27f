"""The exercises of notebook 08: your own program.  Each answer is tried by `workshop.adopt`."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweepserver import search
from workshop.adopt.effects import USED
from workshop.adopt.findings import Adoption
from workshop.adopt.session import try_out
from workshop.define import program
from workshop.define.search_space import parameters
from workshop.errors import WorkshopError
from workshop.exercises.definition import listed, sound
from workshop.exercises.report import Condition, Judgment, judge
from workshop.paths import NOTEBOOKS

PROGRAMS = NOTEBOOKS / "own_program"
PROJECT = "own-program-answers"
RATE, MOMENTUM = ("optimizer", "learning_rate"), ("optimizer", "momentum")
DOTTED = ("optimizer.learning_rate",)  # as a program with Hydra is given it
RATES = [0.1, 0.01]  # of 8.2 and 8.3
FIXED_MOMENTUM = 0.9  # of 8.2
FORM = "${args_no_hyphens}"


@judge("8.1")
def repaired(text: Any) -> Judgment:
    """Let a program train with what the sweep picked, not with what its file says."""
    if not isinstance(text, str) or "\n" not in text:
        yield False, "", "this isn't the text of a program: read it by `Path(…).read_text()`"
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True)
        file = Path(folder, "faulty.py")
        file.write_text(text, encoding="utf-8")
        try:
            found = try_out(file, PROJECT, with_endings=False)
        except WorkshopError as error:
            yield False, "", str(error).replace(f"{folder}/", "")
            return
    if not found.effects:
        yield False, "", _problems(found)
        return
    yield (
        "val/loss" in (metric.name for metric in found.logged),
        "it logs val/loss",
        "it no longer logs val/loss, the metric of its sweep",
    )
    verdicts = {effect.parameter.name: effect.verdict for effect in found.effects}
    for name in ("learning_rate", "momentum", "epochs"):
        yield (
            verdicts.get(name) == USED,
            f"it uses the {name} that it is given",
            f"its run's config has no {name} any more: the defaults stay as they were"
            if name not in verdicts
            else f"with another {name}, nothing that it logs has changed: where does it take the "
            f"{name} from?",
        )


@judge("8.2")
def nested(definition: Any) -> Judgment:
    """Sweep a parameter within a group of a program's config."""
    if not (yield from sound(definition)) or not (yield from _starts(definition, "nested.py")):
        return
    settings = dict(search.flatten(parameters(definition)))
    names = [name for name in parameters(definition) if "." in name]
    if RATE not in settings:
        advice = (
            f"{names[0]!r} is one name with a dot in it, which the run's config gets beside the "
            "group `optimizer`: nest one section `parameters` in the other"
            if names
            else "it varies no learning_rate in the group `optimizer`"
        )
        yield False, "", advice
        return
    tries_both = yield from _rates(settings[RATE])
    is_fixed = listed(settings.get(MOMENTUM, {})) == [FIXED_MOMENTUM]
    yield (
        is_fixed,
        f"every run has the momentum {FIXED_MOMENTUM}",
        f"the momentum of every run should be {FIXED_MOMENTUM}, in the same group",
    )
    if tries_both and is_fixed:
        yield from _used(definition, RATE)


@judge("8.3")
def without_hyphens(definition: Any) -> Judgment:
    """Hand values to a program that takes name=value."""
    if not (yield from sound(definition)) or not (yield from _starts(definition, "hydra_style.py")):
        return
    words = program.words(definition)
    forms = [word for word in words if word.startswith("${args")]
    yield (
        forms == [FORM],
        "its agents pass name=value",
        f"its agents pass {' and '.join(forms) or 'no values at all'}: which macro has no hyphens?",
    )
    settings = dict(search.flatten(parameters(definition)))
    if DOTTED not in settings:
        yield False, "", f"it varies no {DOTTED[0]}, as the program calls it"
        return
    if (yield from _rates(settings[DOTTED])) and forms == [FORM]:
        yield from _used(definition, DOTTED)


def _starts(definition: Mapping, name: str) -> Condition:
    """Look whether a sweep starts a program of the exercises."""
    is_there = program.file(definition) == PROGRAMS / name
    yield (
        is_there,
        f"it starts {name}",
        f"it doesn't start {name} in `notebooks/own_program`: leave `program` as it was, and "
        "`${program}` in the command",
    )
    return is_there


def _rates(settings: Mapping) -> Condition:
    values = listed(settings) or []
    tries_both = sorted(values, key=str) == sorted(RATES, key=str)
    yield (
        tries_both,
        "it tries both learning rates",
        f"it should try the learning rates {RATES[0]} and {RATES[1]}, not {values or settings}",
    )
    return tries_both


def _used(definition: Mapping, path: tuple[str, ...]) -> Judgment:
    """Look whether the program uses the parameter that a sweep varies."""
    found = try_out(definition, PROJECT, with_endings=False)
    verdicts = {effect.parameter.path: effect.verdict for effect in found.effects}
    yield (
        verdicts.get(path) == USED,
        "tried: the program trains with what the sweep picks",
        _problems(found) or f"the program doesn't use {'.'.join(path)}",
    )


def _problems(found: Adoption) -> str:
    return " ".join(each.sentence for each in found.observations if each.is_problem)
