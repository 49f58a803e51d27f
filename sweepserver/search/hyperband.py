"""Early termination by the rule of W&B's Hyperband.

https://docs.coreweave.com/products/wandb/sweeps/sweep-config-keys#stopping-algorithms-for-early_terminate
and `hyperband_stopping.py` of https://github.com/wandb/sweeps.  What counts as an iteration is a
logged value of the metric, not a step.  `strict` is off unless it is asked for, as the
documentation says.
"""

import math
from collections.abc import Iterator, Mapping

from sweepserver.search import numerals
from sweepserver.search.metric import Metric
from sweepserver.search.parameters import is_count, is_number
from sweepserver.search.values import closest, shorten

ETA = 3
MOST_BRACKETS = 100  # as many as W&B's engine knows
KEYS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


def problems(settings: object) -> Iterator[str]:
    """Yield why the settings of `early_terminate` are not those of Hyperband."""
    if not isinstance(settings, dict) or settings.get("type") != "hyperband":
        yield (
            f"early_terminate is {shorten(settings)}: it must be a mapping with type: hyperband, "
            "such as {type: hyperband, min_iter: 3}"
        )
        return
    found = [*key_problems(settings)]
    eta, strict = settings.get("eta", ETA), settings.get("strict", False)
    if not is_number(eta) or eta <= 1:
        found.append(
            f"early_terminate has eta {shorten(eta)}: it must be a number above 1"
            f"{numerals.advice(eta)}"
        )
    if not isinstance(strict, bool):
        found.append(f"early_terminate has strict {shorten(strict)}: it must be true or false")
    if "min_iter" not in settings and not {"max_iter", "s"} <= settings.keys():
        found.append(
            "early_terminate needs min_iter, or max_iter and s: how many values of the metric a "
            "run may log before it can be stopped"
        )
    elif "max_iter" in settings and "s" not in settings:
        found.append("early_terminate with max_iter needs s, the number of brackets")
    if not found and settings.get("max_iter", math.inf) < eta:
        found.append(
            f"early_terminate has max_iter {settings['max_iter']}, which is less than eta {eta}, "
            "so no run would ever be stopped: raise max_iter"
        )
    yield from found


def key_problems(settings: dict) -> Iterator[str]:
    """Yield which of Hyperband's settings are unknown or aren't numbers of iterations."""
    for key, value in settings.items():
        if key not in KEYS:
            hint = closest(key, KEYS) or f": expected {', '.join(KEYS)}"
            yield f"early_terminate has the key {shorten(key)}, which is not known{hint}"
        elif key in ("min_iter", "max_iter", "s") and not is_count(value):
            yield (
                f"early_terminate has {key} {shorten(value)}: it must be a whole number, 1 or more"
            )
        elif key == "s" and value > MOST_BRACKETS:
            yield f"early_terminate has s {value}: it must be at most {MOST_BRACKETS}"


def to_stop(config: dict, histories: dict[str, list[float]], live: set[str]) -> set[str]:
    """Return the names of the runs that are to be stopped.

    At every bracket, the best 1/eta of all runs that came so far set a threshold.  A live run is
    stopped if it is worse than the threshold of the last bracket that it has reached: by its best
    value, with `strict` by its value at the bracket.

    Args:
        config: The sweep's configuration, which `check` has passed.
        histories: By run name, the values of the sweep's metric in the order they were logged;
            ended runs take part.  NaN and the infinities do not count.
        live: The names of the runs that could be stopped.
    """
    settings = config["early_terminate"]
    sign = Metric.required(config).sign
    losses = {
        name: [sign * value for value in values if math.isfinite(value)]
        for name, values in histories.items()
    }
    longest = max(map(len, losses.values()), default=0)
    thresholds = {
        bracket: threshold(
            [loss[bracket - 1] for loss in losses.values() if len(loss) >= bracket],
            settings.get("eta", ETA),
        )
        for bracket in brackets(settings, longest)
    }
    stopped = set()
    for name in live & losses.keys():
        loss = losses[name]
        bracket = max((bracket for bracket in thresholds if bracket <= len(loss)), default=None)
        if bracket is None:
            continue
        reached = loss[bracket - 1] if settings.get("strict") else min(loss)
        if reached > thresholds[bracket]:
            stopped.add(name)
    return stopped


def is_judged(config: Mapping, values: int) -> bool:
    """Return whether a run was compared with others by the time it had logged some values.

    Args:
        config: The sweep's configuration; without `early_terminate`, no run ever is.
        values: How many finite values of the sweep's metric the run has logged.
    """
    settings = config.get("early_terminate")
    return bool(settings and brackets(settings, values))


def brackets(settings: dict, longest: int) -> list[int]:
    """Return the numbers of iterations, at most `longest`, at which runs are compared."""
    eta = settings.get("eta", ETA)
    found = []
    if "max_iter" in settings:
        bracket = settings["max_iter"]
        for _ in range(settings["s"]):
            bracket /= eta
            if bracket < 1:
                break
            found.append(int(bracket))
        return [bracket for bracket in found if bracket <= longest]
    bracket = settings["min_iter"]
    while int(bracket) <= longest and len(found) < MOST_BRACKETS:
        found.append(int(bracket))
        bracket *= eta
    return found


def threshold(losses: list[float], eta: float) -> float:
    """Return the largest loss with which a run may continue: that of the best 1/eta of the runs."""
    return sorted(losses)[int(1 / eta * len(losses))]
