"""What a sweep tries next: pure functions from a sweep's configuration and its past to a point.

A *point* is a dictionary from parameter to value; nested parameters make nested dictionaries.
Grid search follows W&B's own engine (https://github.com/wandb/sweeps): the product of the
parameters in alphabetical order, the last one running fastest, and 3.0 is the same value as 3.
"""

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator

METHODS = ("grid", "random")

# How a value is drawn, by distribution, from the parameter's settings.  Where W&B's documentation
# says so, `min` and `max` of the log forms are exponents; the `_values` forms take the values.
SAMPLERS: dict[str, Callable[[dict, random.Random], object]] = {
    "constant": lambda p, rng: p["value"],
    "categorical": lambda p, rng: rng.choices(p["values"], p.get("probabilities"))[0],
    "int_uniform": lambda p, rng: rng.randint(p["min"], p["max"]),
    "uniform": lambda p, rng: rng.uniform(p["min"], p["max"]),
    "log_uniform": lambda p, rng: math.exp(rng.uniform(p["min"], p["max"])),
    "log_uniform_values": lambda p, rng: log_uniform(p["min"], p["max"], rng),
    "inv_log_uniform": lambda p, rng: math.exp(-rng.uniform(p["min"], p["max"])),
    "inv_log_uniform_values": lambda p, rng: log_uniform(p["min"], p["max"], rng),
    "normal": lambda p, rng: rng.gauss(p.get("mu", 0.0), p.get("sigma", 1.0)),
    "log_normal": lambda p, rng: rng.lognormvariate(p.get("mu", 0.0), p.get("sigma", 1.0)),
    "beta": lambda p, rng: rng.betavariate(p["a"], p["b"]),
}
QUANTIZED = ("uniform", "log_uniform", "log_uniform_values", "normal", "log_normal", "beta")
DISTRIBUTIONS = (*SAMPLERS, *(f"q_{name}" for name in QUANTIZED))
NEEDS = {"constant": ["value"], "categorical": ["values"], "beta": ["a", "b"]}
ON_A_GRID = ("constant", "categorical", "int_uniform", "q_uniform")
LONGEST_AXIS = 10_000


class SearchError(ValueError):
    """The configuration cannot be searched; the message is one sentence."""


def suggest(config: dict, past: list[dict], rng: random.Random) -> dict | None:
    """Return the next point of a sweep.

    Args:
        config: The sweep's configuration, which `check` has passed.
        past: The points tried so far, failed ones included.
        rng: The source of randomness for random search.

    Returns:
        The point, or None if nothing is left to try.
    """
    cap = config.get("run_cap")
    if cap is not None and len(past) >= cap:
        return None
    parameters = dict(flatten(config["parameters"]))
    if config["method"] == "grid":
        return next_on_grid(parameters, past)
    return nest({path: sample(settings, rng) for path, settings in parameters.items()})


def expected_runs(config: dict) -> int | None:
    """Return how many runs the sweep will have, None if it never ends by itself."""
    sizes = []
    if config.get("run_cap") is not None:
        sizes.append(config["run_cap"])
    if config["method"] == "grid":
        axes = (axis(settings) for _, settings in flatten(config["parameters"]))
        sizes.append(math.prod(len({same(value) for value in values}) for values in axes))
    return min(sizes, default=None)


def check(config: object) -> None:
    """See whether a sweep's configuration can be searched.

    Raises:
        SearchError: It cannot.
    """
    if not isinstance(config, dict):
        raise SearchError("A sweep's configuration must be a mapping of keys to values.")
    method = config.get("method")
    if method not in METHODS:
        raise SearchError(
            f"method is {method!r}, but this local server searches by {' or '.join(METHODS)}; "
            "use one of these, or W&B itself."
        )
    if "early_terminate" in config:
        raise SearchError(
            "early_terminate is not served by this local server; remove it and let every run end, "
            "or use W&B itself."
        )
    for key in ("scheduler", "controller"):
        if key in config:
            raise SearchError(
                f"{key} is not served by this local server; remove it and the server searches."
            )
    cap = config.get("run_cap")
    if cap is not None and (not isinstance(cap, int) or cap < 1):
        raise SearchError(f"run_cap is {cap!r}, but must be a whole number of at least 1.")
    if not isinstance(config.get("parameters"), dict) or not config["parameters"]:
        raise SearchError("parameters must map at least one parameter's name to its settings.")
    for path, settings in flatten(config["parameters"]):
        check_parameter(".".join(path), settings, method)


def check_parameter(name: str, settings: object, method: str) -> None:
    """Raise a SearchError if a parameter's settings cannot be searched by a method."""
    if not isinstance(settings, dict):
        raise SearchError(
            f"Parameter {name} is {settings!r}, but must be a mapping such as "
            "{values: [0.1, 0.01]} or {value: 0.1}."
        )
    kind = distribution(settings)
    if kind not in DISTRIBUTIONS:
        expected = ", ".join(DISTRIBUTIONS)
        raise SearchError(
            f"Parameter {name} has distribution {kind!r}, expected one of {expected}."
            if kind
            else f"Parameter {name} needs value, values, min and max, or a distribution."
        )
    plain = kind.removeprefix("q_")
    bounded = "uniform" in plain
    for key in NEEDS.get(plain, ["min", "max"] if bounded else []):
        if key not in settings:
            raise SearchError(f"Parameter {name} with distribution {kind} needs {key}.")
    if kind == "categorical":
        check_values(name, settings)
    for key in {"min", "max", "mu", "sigma", "a", "b", "q"} & settings.keys():
        number = settings[key]
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise SearchError(f"Parameter {name} has {key} {number!r}, but it must be a number.")
    if bounded:
        low, high = settings["min"], settings["max"]
        if not low < high:
            raise SearchError(f"Parameter {name} has min {low}, which is not less than max {high}.")
        if plain.endswith("log_uniform_values") and low <= 0:
            raise SearchError(f"Parameter {name} has min {low}, but {kind} needs it above 0.")
        if plain == "int_uniform" and not (isinstance(low, int) and isinstance(high, int)):
            raise SearchError(f"Parameter {name} has distribution {kind}: min, max must be whole.")
    if settings.get("q", 1) <= 0:
        raise SearchError(f"Parameter {name} has q {settings['q']}, but it must be above 0.")
    if method == "grid" and (kind not in ON_A_GRID or "probabilities" in settings):
        raise SearchError(
            f"Parameter {name} has distribution {kind}, which a grid cannot list: give it values, "
            "or use method random."
        )
    if method == "grid" and bounded and (high - low) / settings.get("q", 1) > LONGEST_AXIS:
        raise SearchError(
            f"Parameter {name} has more than {LONGEST_AXIS} values on a grid: give it fewer, or "
            "use method random."
        )


def check_values(name: str, settings: dict) -> None:
    """Raise a SearchError if the values of a categorical parameter cannot be drawn from."""
    values, odds = settings["values"], settings.get("probabilities")
    if not isinstance(values, list) or not values:
        raise SearchError(f"Parameter {name} has values {values!r}, but must have a list of them.")
    if odds is None:
        return
    numbers = isinstance(odds, list) and all(isinstance(odd, (int, float)) for odd in odds)
    if not numbers or len(odds) != len(values) or not math.isclose(sum(odds), 1):
        raise SearchError(
            f"Parameter {name} needs as many probabilities as values, with a sum of 1."
        )


def flatten(parameters: dict, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple, dict]]:
    """Yield (path, settings) of each parameter, alphabetically; nested ones have longer paths."""
    for name, settings in sorted(parameters.items(), key=lambda item: str(item[0])):
        path = (*prefix, str(name))
        if isinstance(settings, dict) and isinstance(settings.get("parameters"), dict):
            yield from flatten(settings["parameters"], path)
        else:
            yield path, settings


def nest(values: dict[tuple[str, ...], object]) -> dict:
    """Return {("a", "b"): 1} as {"a": {"b": 1}}."""
    point: dict = {}
    for path, value in values.items():
        level = point
        for name in path[:-1]:
            level = level.setdefault(name, {})
        level[path[-1]] = value
    return point


def distribution(settings: dict) -> str | None:
    """Return a parameter's distribution, inferred as W&B does where none is named."""
    if "distribution" in settings:
        return settings["distribution"]
    if "value" in settings:
        return "constant"
    if "values" in settings:
        return "categorical"
    if "min" in settings and "max" in settings:
        whole = isinstance(settings["min"], int) and isinstance(settings["max"], int)
        return "int_uniform" if whole else "uniform"
    return None


def sample(settings: dict, rng: random.Random) -> object:
    """Draw a value of one parameter."""
    kind = distribution(settings)
    value = SAMPLERS[kind.removeprefix("q_")](settings, rng)
    if kind.startswith("q_"):
        step = settings.get("q", 1)
        value = round(value / step) * step
    return value


def log_uniform(low: float, high: float, rng: random.Random) -> float:
    """Draw a value between two values, uniformly on a logarithmic scale."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def axis(settings: dict) -> list:
    """Return the values that a grid takes of one parameter."""
    kind = distribution(settings)
    if kind == "constant":
        return [settings["value"]]
    if kind == "int_uniform":
        return list(range(settings["min"], settings["max"] + 1))
    if kind == "q_uniform":
        step = settings.get("q", 1)
        steps = math.ceil((settings["max"] - settings["min"]) / step)
        return [settings["min"] + i * step for i in range(steps)]
    return settings["values"]


def next_on_grid(parameters: dict[tuple, dict], past: list[dict]) -> dict | None:
    """Return the first point of the grid that is not among the past ones."""
    axes = [{same(value): value for value in axis(settings)} for settings in parameters.values()]
    tried = {tuple(same(at(point, path)) for path in parameters) for point in past}
    for keys in itertools.product(*axes):
        if keys not in tried:
            values = (values[key] for values, key in zip(axes, keys, strict=True))
            return nest(dict(zip(parameters, values, strict=True)))
    return None


def at(point: dict, path: tuple[str, ...]) -> object:
    """Return a point's value at a path, None where it has none."""
    for name in path:
        point = point.get(name) if isinstance(point, dict) else None
    return point


def same(value: object) -> str:
    """Return a text that is equal for values that a sweep takes as equal: 3 and 3.0 are."""

    def whole(item):
        if isinstance(item, float) and item.is_integer():
            return int(item)
        if isinstance(item, dict):
            return {str(key): whole(part) for key, part in item.items()}
        return [whole(part) for part in item] if isinstance(item, list) else item

    return json.dumps(whole(value), sort_keys=True, default=str)
