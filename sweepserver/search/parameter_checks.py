"""Whether the settings of a parameter describe something to search."""

import json
import math
from collections.abc import Iterator

from sweepserver.search import numerals
from sweepserver.search.distributions import DISTRIBUTIONS, keys_of, quantile, step
from sweepserver.search.parameters import distribution, is_number
from sweepserver.search.values import closest, shorten

ON_A_GRID = ("constant", "categorical", "int_uniform", "q_uniform")
MOST_VALUES_OF_AXIS = 10_000
LARGEST_SHAPE = 1_000_000  # of a beta distribution, whose quantiles can be reckoned up to there
MOST_STEPS = 2**53  # neighbors beyond are the same number
KEYS = (
    "distribution", "value", "values", "probabilities", "min", "max", "mu", "sigma", "q", "a", "b",
    "parameters",
)  # fmt: skip


def parameter_problems(settings: object, method: object) -> Iterator[str]:
    """Yield why a parameter cannot be searched by a method, each to be read after its name."""
    if not isinstance(settings, dict):
        yield f"is {shorten(settings)}: write value:, values: or min: and max:"
        return
    kind = distribution(settings)
    if kind not in DISTRIBUTIONS:
        known = closest(kind, DISTRIBUTIONS) or f": expected {', '.join(DISTRIBUTIONS)}"
        yield (
            f"has the distribution {shorten(kind)}, which is not known{known}"
            if "distribution" in settings
            else "has no value, values, or min and max"
            + " (or, if it's a group, the section parameters)"
            * any(isinstance(value, dict) for value in settings.values())
        )
        return
    found = [*key_problems(settings, kind)]
    if not found:
        if kind.startswith("categorical"):
            found += value_list_problems(settings)
        elif kind == "constant":
            found += value_problems(settings["value"])
        else:
            found += range_problems(settings, kind)
    if not found and method == "grid":
        found += grid_problems(settings, kind)
    yield from found


def key_problems(settings: dict, kind: str) -> Iterator[str]:
    """Yield that settings lack what their distribution needs, or have what it does not take."""
    needed, optional = keys_of(kind)
    for key in needed:
        if key not in settings:
            yield f"has distribution {kind} but no {key}"
    taken = ("distribution", *needed, *optional)
    for key in settings:
        if key not in taken:
            hint = "" if key in KEYS else closest(key, KEYS)
            yield (
                f"has the key {shorten(key)}, but distribution {kind} takes only "
                f"{', '.join(taken[1:])}{hint}"
            )


def value_problems(value: object) -> Iterator[str]:
    """Yield that a value cannot be told to a program: dates, for instance."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        yield (
            f"has the value {shorten(value)}: it must be a number, a text, a list or a mapping, so "
            "put it in quotes"
        )


def value_list_problems(settings: dict) -> Iterator[str]:
    """Yield why the values of a categorical parameter cannot be drawn from."""
    values, odds = settings["values"], settings.get("probabilities")
    if not isinstance(values, list):
        given = shorten(values)
        yield f"has values: {given}, which isn't a list: write [{given}], or value: {given}"
        return
    if not values:
        yield "has values: [], an empty list: give it at least one value"
        return
    for value in values:
        yield from value_problems(value)
    if odds is None:
        return
    numbers = isinstance(odds, list) and all(is_number(odd) and odd >= 0 for odd in odds)
    if not numbers or len(odds) != len(values):
        misread = next(filter(numerals.is_misread, odds if isinstance(odds, list) else ()), None)
        yield (
            f"has probabilities: {shorten(odds)}: it must be a list with a number for each of its "
            f"{len(values)} values{numerals.advice(misread)}"
        )
    elif not math.isclose(sum(odds), 1, rel_tol=1e-5):
        yield f"has probabilities whose sum is {sum(odds):g}: it must be 1"


def range_problems(settings: dict, kind: str) -> Iterator[str]:
    """Yield why a parameter's numbers describe no distribution."""
    found = [
        f"has {key} {shorten(number)}: it must be a finite number{numerals.advice(number)}"
        for key, number in settings.items()
        if key != "distribution" and not is_number(number)
    ]
    found = found or [
        f"has {key} {settings[key]}: it must be a number above 0"
        for key in ("q", "sigma", "a", "b")
        if settings.get(key, 1) <= 0
    ]
    found += [
        f"has {key} {settings[key]}: it must be at most {LARGEST_SHAPE}"
        for key in ("a", "b")
        if is_number(settings.get(key)) and settings[key] > LARGEST_SHAPE
    ]
    if not found and "min" in settings:
        found += end_problems(settings["min"], settings["max"], kind)
    if not found and kind != "int_uniform":
        found += size_problems(settings, kind)
    yield from found


def end_problems(low: float, high: float, kind: str) -> Iterator[str]:
    """Yield why two numbers are not the ends of a range of a kind, a distribution's name."""
    if not low < high:
        yield f"has min {low} and max {high}: min must be a number below max"
    elif kind.endswith("log_uniform_values") and low <= 0:
        yield f"has min {low}: it must be above 0 with distribution {kind}"
    elif kind == "int_uniform" and not (isinstance(low, int) and isinstance(high, int)):
        yield f"has min {low} and max {high}: they must be whole numbers with distribution {kind}"


def size_problems(settings: dict, kind: str) -> Iterator[str]:
    """Yield that a distribution has values that are too large or too small."""
    try:
        ends = [0, 1] if kind.endswith("beta") else [quantile(settings, u) for u in (0, 1)]
    except OverflowError:
        ends = [math.inf]
    if not all(map(is_number, ends)) or ("log" in kind and min(ends) <= 0):
        hint = ": its min and max are exponents of e" if kind.endswith("log_uniform") else ""
        yield f"has values that are too large or too small for a number{hint}"
    elif kind.startswith("q_") and max(map(abs, ends)) > MOST_STEPS * step(settings):
        yield f"has q {step(settings)}, which is too small for its values"


def grid_problems(settings: dict, kind: str) -> Iterator[str]:
    """Yield why a grid cannot list a parameter's values."""
    if kind not in ON_A_GRID:
        yield (
            f"has distribution {kind}, which a grid cannot enumerate: list its values, or use "
            "method random"
        )
    elif (
        "min" in settings
        and (settings["max"] - settings["min"]) / step(settings) > MOST_VALUES_OF_AXIS
    ):
        yield (
            f"has more than {MOST_VALUES_OF_AXIS} values on a grid: give it fewer, or use method "
            "random"
        )
