"""The distributions that W&B documents, and how a value is drawn from each.

https://docs.coreweave.com/products/wandb/sweeps/sweep-config-keys#distribution-options-for-random-and-bayesian-search

`min` and `max` of `log_uniform` and `inv_log_uniform` are exponents; the `_values` forms take the
values themselves.  The `q_` forms round to the nearest multiple of `q`, which may lie a little
outside of `min` and `max`, as with W&B.
"""

import math
import random
from collections.abc import Callable
from statistics import NormalDist

from sweepserver.search.parameters import distribution

EDGE = 2**-53  # the normal quantiles of 0 and 1 are infinite


def normal(settings: dict) -> NormalDist:
    """Return the normal distribution of a parameter, for the log forms that of its logarithm."""
    return NormalDist(settings.get("mu", 0), settings.get("sigma", 1))


def shape(settings: dict) -> tuple[float, float]:
    """Return the two shape parameters of a beta distribution."""
    return settings.get("a", 1), settings.get("b", 1)


def between(low: float, high: float, u: float) -> float:
    """Return the point at the fraction `u` of the way between two numbers, never outside."""
    return min(max(low + u * (high - low), low), high)


def log_between(low: float, high: float, u: float) -> float:
    """Return the point at the fraction `u` of the way between two numbers by their logarithms."""
    return min(max(math.exp(between(math.log(low), math.log(high), u)), low), high)


def normal_quantile(settings: dict, u: float) -> float:
    """Return a quantile of a normal distribution, a finite one at 0 and 1 too."""
    return normal(settings).inv_cdf(min(max(u, EDGE), 1 - EDGE))


def beta_quantile(settings: dict, u: float) -> float:
    """Return a quantile of a beta distribution."""
    from scipy.special import betaincinv  # large, and random search does without

    return float(betaincinv(*shape(settings), u))


# Quantile functions of the continuous distributions, from settings and a number from 0 to 1.
QUANTILES: dict[str, Callable[[dict, float], float]] = {
    "uniform": lambda s, u: between(s["min"], s["max"], u),
    "log_uniform": lambda s, u: math.exp(between(s["min"], s["max"], u)),
    "log_uniform_values": lambda s, u: log_between(s["min"], s["max"], u),
    "inv_log_uniform": lambda s, u: math.exp(between(-s["max"], -s["min"], u)),
    "inv_log_uniform_values": lambda s, u: log_between(s["min"], s["max"], u),
    "normal": normal_quantile,
    "log_normal": lambda s, u: math.exp(normal_quantile(s, u)),
    "beta": beta_quantile,
}
QUANTIZED = ("uniform", "log_uniform", "log_uniform_values", "normal", "log_normal", "beta")
DISTRIBUTIONS = (
    "constant", "categorical", "categorical_w_probabilities", "int_uniform",
    *QUANTILES, *(f"q_{name}" for name in QUANTIZED),
)  # fmt: skip


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


def sample(settings: dict, rng: random.Random) -> object:
    """Draw a value of one parameter."""
    kind = distribution(settings)
    if kind == "constant":
        return settings["value"]
    if kind.startswith("categorical"):
        return rng.choices(settings["values"], settings.get("probabilities"))[0]
    if kind == "int_uniform":
        return rng.randint(settings["min"], settings["max"])
    if kind.endswith("beta"):
        value = rng.betavariate(*shape(settings))
    else:
        value = quantile(settings, rng.random())
    return quantized(settings, value)


def quantized(settings: dict, value: float) -> float:
    """Return the multiple of `q` next to a value for the `q_` forms, the value for the others."""
    if not distribution(settings).startswith("q_"):
        return value
    return round(value / step(settings)) * step(settings)


def extremes(settings: dict) -> tuple[float, float] | None:
    """Return about the smallest and the largest value that are drawn of a distribution.

    An end of a range of real numbers is never drawn, as good as never; values next to it are.
    None for values that are listed, and for distributions without ends.
    """
    kind = distribution(settings)
    if kind == "int_uniform":
        return settings["min"], settings["max"]
    if kind.endswith("beta"):
        ends = EDGE, 1 - EDGE
    elif "uniform" in kind:
        ends = quantile(settings, EDGE), quantile(settings, 1 - EDGE)
    else:
        return None
    return quantized(settings, ends[0]), quantized(settings, ends[1])


def quantile(settings: dict, u: float) -> float:
    """Return the value below which a continuous distribution, not yet rounded, has the mass `u`.

    Raises:
        OverflowError: The value is too large for a number.
    """
    return QUANTILES[distribution(settings).removeprefix("q_")](settings, u)


def step(settings: dict) -> float:
    """Return what the values of a `q_` form are multiples of."""
    return settings.get("q", 1)
