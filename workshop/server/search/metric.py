"""By which number a sweep judges a run.

W&B's engine takes the best value of the sweep's metric, by its goal, of all that a run has logged
and of its summary (`SweepRun.metric_extremum` of https://github.com/wandb/sweeps).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from workshop.server.search.parameters import is_number
from workshop.server.values import lookup

AGGREGATES = ("best", "last", "max", "min", "mean", "first")
"""What `define_metric(summary=…)` leaves in a summary in place of the last value."""


def judge(
    metric: Mapping[str, Any],
    summary: Mapping[str, Any],
    logged: Mapping[str, Mapping] | None = None,
) -> float | None:
    """Return the best value that a run has of a sweep's metric, None if it has none.

    Args:
        metric: The metric's name, which may be dotted, and its goal.
        summary: The run's summary.
        logged: For each dotted key of the run's history its smallest and largest finite number,
            as `min` and `max`; without it, the summary alone decides.
    """
    best = max if metric.get("goal") == "maximize" else min
    name = metric["name"]
    values = [*numbers_of(lookup(summary, name)), *extremes_of(logged or {}, name)]
    return best(values, default=None)


def numbers_of(value: object) -> Iterator[float]:
    """Yield the finite numbers that a summary has for a metric: one, or one of each aggregate."""
    if is_number(value):
        yield value
    elif is_aggregated(value):
        yield from filter(is_number, value.values())


def is_aggregated(value: object) -> bool:
    """Tell whether a summary's value is what `define_metric(summary=…)` makes of a metric."""
    return isinstance(value, dict) and bool(value) and value.keys() <= set(AGGREGATES)


def in_summary(summary: Mapping[str, Any], name: str) -> object:
    """Return what a summary has for a metric, of an aggregated one the first of `AGGREGATES`."""
    value = lookup(summary, name)
    if not is_aggregated(value):
        return value
    return next(value[aggregate] for aggregate in AGGREGATES if aggregate in value)


def in_row(row: Mapping[str, Any], name: str) -> object:
    """Return what a history row has for a metric, for `acc.max` of summaries its `acc`."""
    value = lookup(row, name)
    base, _, aggregate = name.rpartition(".")
    return lookup(row, base) if value is None and aggregate in AGGREGATES else value


def extremes_of(logged: Mapping[str, Mapping], name: str) -> Iterator[float]:
    """Yield the extremes that a run has logged of a metric, whose name may end with `.max`."""
    if name in logged:
        wanted, known = ("min", "max"), logged[name]
    else:
        base, _, aggregate = name.rpartition(".")
        wanted, known = {aggregate} & {"min", "max"}, logged.get(base, {})
    yield from (known[key] for key in wanted if key in known)
