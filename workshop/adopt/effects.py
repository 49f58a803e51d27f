"""Does a parameter change anything?  What differs between two trials of which all else is equal."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweepserver.search.values import number
from workshop.adopt.parameters import Parameter
from workshop.adopt.trials import Trial

USED, IGNORED, REFUSED, UNCLEAR, NOT_TRIED = "used", "ignored", "refused", "unclear", "not tried"
_TIMES = ("time", "second", "per_sec", "throughput", "/s")
NOISE = 10
"""How many times as far as two trials with the same values must a trial be from them."""


@dataclass(frozen=True)
class Effect:
    """What a parameter was found to do.

    Attributes:
        parameter: which.
        verdict: one of those above.
        effective: the value that the program was seen to use; None if that does not show.
        reason: what was seen.
    """

    parameter: Parameter
    verdict: str
    effective: Any
    reason: str


def effect(parameter: Parameter, trial: Trial, first: Trial, second: Trial) -> Effect:
    """Compare a trial, in which one parameter has another value, with two that are alike."""
    if trial.failed and not first.failed:
        return Effect(parameter, REFUSED, None, trial.last_words)
    shown = _shown(parameter, trial, first)
    if setting := _optimizer_changes(trial, first):
        return Effect(parameter, USED, shown, f"the optimizer's {setting} follows it")
    if silent := next((one for one in (trial, first, second) if not _rows(one)), None):
        had_time = silent.status is not None
        why = "logged nothing" if had_time else "was ended before it logged a row: raise --seconds"
        return Effect(parameter, UNCLEAR, shown, f"a trial {why}")
    changed = list(dict.fromkeys(_log_changes(trial, first, second)))
    repeated = {key for key in changed if _is_repeated(key, parameter, trial, first)}
    if moved := [key for key in changed if key not in repeated]:
        return Effect(parameter, USED, shown, f"{moved[0]} follows it")
    if _is_random(first, second):
        reason = (
            "two trials with the same values differ by as much: give it a fixed seed, so that "
            "equal values give equal results"
        )
        return Effect(parameter, UNCLEAR, shown, reason)
    seen = f"only {', '.join(sorted(repeated))}, which repeats it, has" if repeated else "nothing"
    reason = f"{seen} changed in what was logged"
    return Effect(parameter, IGNORED, parameter.default, reason)


def _is_repeated(key: str, parameter: Parameter, trial: Trial, first: Trial) -> bool:
    """Say whether what was logged under a name is the parameter's own value, in each trial."""
    pairs = [
        (row[key], other.get(key))
        for row, other in zip(_rows(trial), _rows(first), strict=False)
        if key in row
    ]
    return bool(pairs) and all(
        _same(here, parameter.other) and _same(there, parameter.default) for here, there in pairs
    )


def _shown(parameter: Parameter, trial: Trial, first: Trial) -> Any:
    """Return the value that a program is seen to use: it shows the one of each trial."""
    requested, usual = number(parameter.other), number(parameter.default)
    for here, there in _pairs(trial, first):
        if requested is not None and _same(here, requested) and _same(there, usual):
            return parameter.other
    return None


def _pairs(trial: Trial, first: Trial) -> Iterator[tuple[Any, Any]]:
    """Yield what stands at the same place of two trials."""
    for here, there in zip(trial.optimizer, first.optimizer, strict=False):
        yield from ((here[key], there.get(key)) for key in here)
    if trial.logged and first.logged:
        for row, other in zip(_rows(trial), _rows(first), strict=False):
            yield from ((row[key], other.get(key)) for key in row)


def _optimizer_changes(trial: Trial, first: Trial) -> str:
    for here, there in zip(trial.optimizer, first.optimizer, strict=False):
        for key, value in here.items():
            if value != there.get(key):
                return key
    return ""


def _log_changes(trial: Trial, first: Trial, second: Trial) -> Iterator[str]:
    """Yield the names of what was logged otherwise than in both trials that are alike."""
    if _differs_in_length(trial, first, second):
        yield "the number of rows"
    gaps = _gaps(first, second)
    for row, one, two in zip(_rows(trial), _rows(first), _rows(second), strict=False):
        for key in filter(_is_result, {**one, **row}):
            if key not in row or key not in one:
                if (key in one) == (key in two):
                    yield key
            elif not _is_near(row[key], one[key], two.get(key), gaps.get(key, 0)):
                yield key


def _differs_in_length(trial: Trial, first: Trial, second: Trial) -> bool:
    """Say whether a trial ended by itself, after another number of rows than those alike."""
    if trial.status is None:
        return False
    rows = len(_rows(trial))
    return all(
        rows < len(_rows(other)) or (other.status is not None and rows > len(_rows(other)))
        for other in (first, second)
    )


def _is_random(first: Trial, second: Trial) -> bool:
    """Say whether two trials with the same values have logged other numbers."""
    return any(
        not _same(one.get(key), two.get(key))
        for one, two in zip(_rows(first), _rows(second), strict=False)
        for key in one
        if _is_result(key)
    )


def _is_near(value: Any, one: Any, two: Any, gap: float) -> bool:
    """Say whether a value is one of two, or no further from them than chance would take it."""
    if _same(value, one) or _same(value, two):
        return True
    here, first = number(value), number(one)
    if here is None or first is None or number(two) is None:
        return not _same(one, two)  # a text that chance picks says nothing
    return abs(here - first) <= NOISE * gap


def _gaps(first: Trial, second: Trial) -> dict[str, float]:
    """Return how far two trials with the same values are from each other, by name.

    It is the largest distance of all rows: in a single row, two random numbers may be close.
    """
    gaps: dict[str, float] = {}
    for one, two in zip(_rows(first), _rows(second), strict=False):
        for key in one:
            here, there = number(one[key]), number(two.get(key))
            if here is not None and there is not None and not math.isnan(here - there):
                gaps[key] = max(gaps.get(key, 0), abs(here - there))
    return gaps


def _same(one: Any, two: Any) -> bool:
    first, second = number(one), number(two)
    if first is None or second is None:
        return repr(one) == repr(two)
    return (math.isnan(first) and math.isnan(second)) or math.isclose(first, second, rel_tol=1e-9)


def _rows(trial: Trial) -> list[Mapping[str, Any]]:
    """Return what a trial logged; the summary last, if the program ended by itself."""
    if trial.logged is None:
        return []
    if trial.status is None or trial.logged.rows:
        return [*trial.logged.rows]
    return [trial.logged.summary]


def _is_result(name: str) -> bool:
    """Say whether a name is none of a measured time, which never repeats."""
    return not any(word in name.lower() for word in _TIMES)
