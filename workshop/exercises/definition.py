"""What several exercises ask of a sweep's definition."""

import math
import re
from collections.abc import Mapping
from typing import Any

from sweepserver.search import SECTIONS, Scale, same
from workshop.define.definition import combinations, load
from workshop.define.linter import lint
from workshop.define.search_space import hyperparameters, parameters
from workshop.exercises.report import Condition, Judgment
from workshop.wording import count

EXAMPLE = "configs/sweep_config.yaml"  # where most exercises begin

LOGARITHMIC = ("log_uniform_values", "inv_log_uniform_values", "q_log_uniform_values")
"""The distributions on a logarithmic scale whose ends are values of the parameter."""

EXPONENTIAL = ("log_uniform", "inv_log_uniform", "q_log_uniform")
"""Those whose ends are exponents of e."""

_LABELS = ("name", "description", "project", "entity")  # they change nothing in a run
_VAGUE = ("max", "min", "name", "num", "of", "path", "size")  # say little without the other words
_SHORT = {"learning_rate": ("lr",)}
_COMPARED = [section for section in SECTIONS if section not in (*_LABELS, "parameters")]


def sound(definition: Any) -> Condition:
    """Check that this is a definition, and that the linter finds nothing."""
    if not isinstance(definition, Mapping):
        kind = type(definition).__name__
        advice = "give the dictionary from `load` or `yaml.safe_load`"
        yield False, "", f"this is a {kind}, not a definition: {advice}"
        return False
    problems = lint(definition)
    for problem in problems:
        yield False, "", problem
    if not problems:
        yield True, "the linter finds nothing", ""
    return not problems


def ends(definition: Mapping, most: int) -> Condition:
    """Check that a sweep ends, after a maximum number of runs."""
    runs = combinations(definition)
    if runs is None:
        yield False, "", _endless(definition)
        return False
    yield (
        runs <= most,
        f"it ends after {count(runs, 'run')}",
        f"it has {runs} runs, but there's only time for {most}: try fewer values",
    )
    return runs <= most


def ends_after(definition: Mapping, wanted: int) -> Condition:
    """Check that a sweep ends after an exact number of runs."""
    runs = combinations(definition)
    yield (
        runs == wanted,
        f"it ends after {count(wanted, 'run')}",
        _endless(definition)
        if runs is None
        else f"it ends after {count(runs, 'run')}, not after {wanted}",
    )
    return runs == wanted


def _endless(definition: Mapping) -> str:
    return f"method {definition['method']} never ends by itself: say after how many runs it should"


def repeats(definition: Mapping, runs: int) -> Judgment:
    """Check that the search has more combinations than draws, so that it needn't repeat any."""
    sizes = [len(listed(part) or []) for part in parameters(definition).values()]
    yield (
        0 in sizes or runs <= math.prod(sizes),
        "every run can try something different",
        f"{runs} draws from {math.prod(sizes)} combinations will repeat some: draw from a range, "
        "or end earlier",
    )


def unchanged(definition: Mapping, original: Mapping, *but: str) -> Condition:
    """Check that only the given sections and parameters of a definition were changed.

    The order of a list doesn't count, and neither do a sweep's name and description.
    """
    now, before = _parts(definition, but), _parts(original, but)
    differences = [f"{name} is missing" for name in before if name not in now]
    differences += [f"{name} was not asked for" for name in now if name not in before]
    differences += [
        f"{name} changed as well" for name in now if now[name] != before.get(name, now[name])
    ]
    yield (
        not differences,
        "everything else is as it was",
        f"{', '.join(differences)}: start again from the definition you were given, and leave "
        "the rest of it alone",
    )
    return not differences


def own_question(question: str, definition: Mapping) -> Judgment:
    """Check that a definition varies what its question asks, and not just what the example does."""
    varied = hyperparameters(definition)
    yield (
        1 <= len(varied) <= 3,
        f"it varies {' and '.join(varied)}",
        "it varies nothing: give at least one parameter several values"
        if not varied
        else f"it varies {len(varied)} parameters: with more than three you can't read the result",
    )
    tried = load(EXAMPLE)["parameters"]
    yield (
        any(_is_new(scale, tried.get(_inner(name), {})) for name, scale in varied.items()),
        "it tries something the example doesn't",
        "it tries only what the example tries: ask something of your own",
    )
    yield (
        "?" in question and any(_names(question, name, varied[name]) for name in varied),
        "the question names what the sweep varies",
        "write the question as a sentence with a question mark that names a parameter that you "
        "vary, so you can tell whether the sweep answers it",
    )


def listed(specification: Mapping) -> list | None:
    """Return the values that a parameter lists, which may be a single one; None for a range."""
    if "value" in specification:
        return [specification["value"]]
    return specification.get("values")


def _names(question: str, name: str, scale: Scale) -> bool:
    """Return whether a question names a parameter, by a word of its name or by two of its values.

    So "batch" stands for batch_size, "epochs" for num_epochs, and "Adam or SGD" for the optimizer.
    """
    asked = re.findall(r"[a-z0-9]+", question.lower())
    values = [str(value).lower() for value in scale.values if isinstance(value, str)]
    if len(set(values) & set(asked)) > 1:
        return True
    own = [word for word in _inner(name).lower().split("_") if word not in _VAGUE]
    words = [*own, *_SHORT.get(_inner(name), ())]
    return any(heard.startswith(word.removesuffix("s")) for heard in asked for word in words)


def _inner(name: str) -> str:
    """Return the name of a parameter within its group."""
    return name.rpartition(".")[2]


def _is_new(scale: Scale, tried: Mapping) -> bool:
    """Return whether a parameter has other values than those tried, or a range."""
    known = set(map(same, listed(tried) or []))
    return not scale.values or not set(map(same, scale.values)) <= known


def _parts(definition: Mapping, but: tuple[str, ...]) -> dict[str, Any]:
    """Return sections and parameters by name, in a form in which equal ones are equal."""
    section = definition.get("parameters") or {}
    parts = {name: definition[name] for name in _COMPARED if name in definition}
    parts |= {name: _comparable(specification) for name, specification in section.items()}
    return {name: part for name, part in parts.items() if name not in but}


def _comparable(specification: Mapping) -> Any:
    values = listed(specification)
    if values is None:
        return specification  # a range
    try:
        return frozenset(values)
    except TypeError:
        return specification  # values that no program of ours takes
