"""A run's value of its sweep's metric: the one rule by which runs are compared.

It is the rule of W&B's own engine (`SweepRun.metric_extremum` of https://github.com/wandb/sweeps):
the best finite number, by the sweep's goal, of those that the run has logged and the one in its
summary.  The metric may be nested (`{"val": {"acc": 0.9}}` is `val.acc`), and a name may contain
dots itself.  Search, early termination, pages, `best_run` and the notebooks' analysis all ask here.

Nothing here reads or writes: whoever asks knows where the numbers come from.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import final

from sweepserver.search.parameters import SearchError
from sweepserver.search.values import lookup, number

AGGREGATES: dict[str, Callable[[float, float], float]] = {
    "min": min,
    "max": max,
    "first": lambda first, _: first,
    "last": lambda _, last: last,
}
"""What `define_metric(summary=…)` puts into a summary, `{"acc": {"max": 0.9}}`, from two values.

`mean` is not among them: it is not a value that the run has logged.
"""

GOALS = ("minimize", "maximize")
DEFAULT_GOAL = GOALS[0]
"""The goal of a metric for which a configuration names none, as with W&B."""


@final
@dataclass(frozen=True, slots=True)
class Metric:
    """What a sweep optimizes.

    Attributes:
        name: What runs log it as; dotted if it is nested.
        maximize: Whether more is better.
    """

    name: str
    maximize: bool = False

    @classmethod
    def of(cls, config: Mapping) -> "Metric | None":
        """Return the metric of a sweep's configuration, None if it names none.

        Its goal is `DEFAULT_GOAL` unless the configuration says otherwise.
        """
        section = config.get("metric") or {}
        name = section.get("name")
        return cls(name, section.get("goal", DEFAULT_GOAL) == "maximize") if name else None

    @classmethod
    def required(cls, config: Mapping) -> "Metric":
        """Return the metric of a configuration that compares runs, and which `check` has passed.

        Raises:
            SearchError: It names none.
        """
        metric = cls.of(config)
        if metric is None:
            raise SearchError("section 'metric' is missing: name what the sweep optimizes.")
        return metric

    @classmethod
    def goals_of(cls, config: Mapping) -> list["Metric"]:
        """Return everything that a sweep optimizes: its `metrics`, or its only one, or nothing.

        With several goals, what counts is a run's summary, its last values: the best of each may
        be of different moments, between which nobody can choose.
        """
        sections = config.get("metrics") or [config.get("metric")]
        found = [cls.of({"metric": section}) for section in sections]
        return [metric for metric in found if metric]

    @property
    def goal(self) -> str:
        """`maximize` or `minimize`."""
        return "maximize" if self.maximize else "minimize"

    @property
    def sign(self) -> int:
        """What a value is multiplied by to make a loss, of which less is better."""
        return -1 if self.maximize else 1

    def value(self, summary: Mapping, logged: Iterable[object] = ()) -> float | None:
        """Return a run's value of the metric, None if it has none.

        Args:
            summary: The run's summary.
            logged: The values of the metric in the run's history, or only the smallest and the
                largest; only finite numbers count.
        """
        return self.best([*in_summary(summary, self.name), *logged])

    def logged(self, row: Mapping) -> float | None:
        """Return the finite number that a row of a run's history holds, None if it holds none."""
        return number(lookup(row, self.name))

    def best(self, values: Iterable[object]) -> float | None:
        """Return the best finite number among some values, None if there is none."""
        known = [found for value in values if (found := number(value)) is not None]
        return (max if self.maximize else min)(known, default=None)


def in_summary(summary: Mapping, name: str) -> list[object]:
    """Return what a summary holds of a metric: its last value, or what `define_metric` chose."""
    found = lookup(summary, name)
    if not isinstance(found, dict):
        return [found]
    return [found[key] for key in AGGREGATES if key in found]


def curve(rows: Sequence[Mapping], name: str) -> list[object]:
    """Return what each row of a history holds of a metric, None where it holds nothing.

    An item of a summary that `define_metric` made, such as `acc.max`, is in no row: its curve is
    the maximum so far of what was logged as `acc`.
    """
    found = [lookup(row, name) for row in rows]
    base, _, aggregate = name.rpartition(".")
    if any(value is not None for value in found) or not base:
        return found
    logged = {
        place: value
        for place, row in enumerate(rows)
        if (value := number(lookup(row, base))) is not None
    }
    values = list(logged.values())
    so_far: Iterable[float]
    if aggregate == "mean":
        so_far = [fmean(values[: count + 1]) for count in range(len(values))]
    elif aggregate in AGGREGATES:
        so_far = accumulate(values, AGGREGATES[aggregate])
    else:
        return found
    for place, value in zip(logged, so_far, strict=True):
        found[place] = value
    return found
