"""Whether the settings of a parameter describe something to search."""

import json
import math

from workshop.server.search.distributions import DISTRIBUTIONS, quantile, step
from workshop.server.search.parameters import SearchError, distribution, is_number
from workshop.server.values import shorten

ON_A_GRID = ("constant", "categorical", "int_uniform", "q_uniform")
LONGEST_AXIS = 10_000
LARGEST_SHAPE = 1_000_000  # of a beta distribution, whose quantiles can be reckoned up to there
MOST_STEPS = 2**53  # neighbours beyond are the same number


def check_parameter(name: str, settings: object, method: str) -> None:
    """Raise a SearchError if a parameter's settings cannot be searched by a method."""
    if not isinstance(settings, dict):
        raise SearchError(
            f"Parameter {name} is {shorten(settings)}, but must be a mapping such as "
            "{values: [0.1, 0.01]} or {value: 0.1}."
        )
    kind = distribution(settings)
    if kind not in DISTRIBUTIONS:
        expected = ", ".join(DISTRIBUTIONS)
        raise SearchError(
            f"Parameter {name} has distribution {shorten(kind)}, expected one of {expected}."
            if kind
            else f"Parameter {name} needs value, values, min and max, parameters or a distribution."
        )
    needed, optional = keys_of(kind)
    for key in needed:
        if key not in settings:
            raise SearchError(f"Parameter {name} with distribution {kind} needs {key}.")
    for key in settings:
        if key not in ("distribution", *needed, *optional):
            raise SearchError(
                f"Parameter {name} has {shorten(key)}, but distribution {kind} takes "
                f"{', '.join(needed + optional)} alone."
            )
    if kind.startswith("categorical"):
        check_values(name, settings)
    elif kind == "constant":
        check_value(name, settings["value"])
    else:
        check_range(name, settings, kind)
    if method == "grid":
        check_on_grid(name, settings, kind)


def keys_of(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the settings of a distribution must name, and what they may name."""
    fixed = {
        "constant": (("value",), ()),
        "categorical": (("values",), ()),
        "categorical_w_probabilities": (("values", "probabilities"), ()),
    }
    if kind in fixed:
        return fixed[kind]
    q = ("q",) if kind.startswith("q_") else ()
    if "uniform" in kind:
        return ("min", "max"), q
    return (), ("a", "b", *q) if kind.endswith("beta") else ("mu", "sigma", *q)


def check_value(name: str, value: object) -> None:
    """Raise a SearchError if a value cannot be told to a program: dates, for instance."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise SearchError(
            f"Parameter {name} has value {shorten(value)}, but must have numbers, texts, lists or "
            "mappings; put it in quotes."
        ) from error


def check_values(name: str, settings: dict) -> None:
    """Raise a SearchError if the values of a categorical parameter cannot be drawn from."""
    values, odds = settings["values"], settings.get("probabilities")
    if not isinstance(values, list) or not values:
        raise SearchError(
            f"Parameter {name} has values {shorten(values)}, but must have a list of them."
        )
    for value in values:
        check_value(name, value)
    if odds is None:
        return
    numbers = isinstance(odds, list) and all(is_number(odd) and odd >= 0 for odd in odds)
    if not numbers or len(odds) != len(values) or not math.isclose(sum(odds), 1, rel_tol=1e-5):
        raise SearchError(
            f"Parameter {name} needs as many probabilities as values, with a sum of 1."
        )


def check_range(name: str, settings: dict, kind: str) -> None:
    """Raise a SearchError if a parameter's numbers describe no distribution."""
    for key in settings.keys() - {"distribution"}:
        number = settings[key]
        if not is_number(number):
            raise SearchError(
                f"Parameter {name} has {key} {shorten(number)}, but it must be a finite number."
            )
    for key in ("q", "sigma", "a", "b"):
        if settings.get(key, 1) <= 0:
            raise SearchError(
                f"Parameter {name} has {key} {settings[key]}, but it must be above 0."
            )
    for key in ("a", "b"):
        if settings.get(key, 1) > LARGEST_SHAPE:
            raise SearchError(
                f"Parameter {name} has {key} {settings[key]}, but it must be at most "
                f"{LARGEST_SHAPE}."
            )
    if "min" in settings:
        low, high = settings["min"], settings["max"]
        if not low < high:
            raise SearchError(f"Parameter {name} has min {low}, which is not less than max {high}.")
        if kind.endswith("log_uniform_values") and low <= 0:
            raise SearchError(f"Parameter {name} has min {low}, but {kind} needs it above 0.")
        if kind == "int_uniform" and not (isinstance(low, int) and isinstance(high, int)):
            raise SearchError(f"Parameter {name} has distribution {kind}: min, max must be whole.")
    if kind != "int_uniform":
        check_size(name, settings, kind)


def check_size(name: str, settings: dict, kind: str) -> None:
    """Raise a SearchError if a distribution has values that are too large or too small."""
    try:
        ends = [0, 1] if kind.endswith("beta") else [quantile(settings, u) for u in (0, 1)]
    except OverflowError:
        ends = [math.inf]
    if not all(map(is_number, ends)) or ("log" in kind and min(ends) <= 0):
        hint = "; min and max are exponents of e here" if kind.endswith("log_uniform") else ""
        raise SearchError(f"Parameter {name} has values too large or small for a number{hint}.")
    if kind.startswith("q_") and max(map(abs, ends)) > MOST_STEPS * step(settings):
        raise SearchError(
            f"Parameter {name} has q {step(settings)}, which is too small for its values."
        )


def check_on_grid(name: str, settings: dict, kind: str) -> None:
    """Raise a SearchError if a grid cannot list a parameter's values."""
    if kind not in ON_A_GRID:
        raise SearchError(
            f"Parameter {name} has distribution {kind}, which a grid cannot list: give it values, "
            "or use method random."
        )
    ends = settings.get("min", 0), settings.get("max", 0)
    if (ends[1] - ends[0]) / step(settings) > LONGEST_AXIS:
        raise SearchError(
            f"Parameter {name} has more than {LONGEST_AXIS} values on a grid: give it fewer, or "
            "use method random."
        )
