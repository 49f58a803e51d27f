"""What a program logged: names, how often, and what a sweep can be judged by."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sweepserver.search.values import number
from workshop.adopt.trials import Trial

_LOW = re.compile(r"loss|err|rmse|mae|mse|perplexity|ppl|nll|wer|cost", re.IGNORECASE)
_HIGH = re.compile(
    r"acc|f1|auc|score|map|iou|bleu|precision|recall|reward|r2|psnr|dice", re.IGNORECASE
)
_HELD_OUT = re.compile(r"val|test|eval|dev|held", re.IGNORECASE)


@dataclass(frozen=True)
class LoggedMetric:
    """A name under which a program logged numbers.

    Attributes:
        name: as it was logged, letter by letter.
        times: in how many rows; 0 if it is in the summary alone.
        last: the last value.
        goal: `minimize` or `maximize`, by its name; empty if that does not tell.
    """

    name: str
    times: int
    last: float
    goal: str

    @property
    def is_held_out(self) -> bool:
        """Whether the name says that it was measured on data which were not trained on."""
        return bool(_HELD_OUT.search(self.name))


def logged(trial: Trial) -> list[LoggedMetric]:
    """Return the numbers that a trial logged, the best to judge a sweep by first."""
    if trial.logged is None:
        return []
    rows = [*trial.logged.rows, trial.logged.summary]
    names = dict.fromkeys(name for row in rows for name in row)
    metrics = []
    for name in names:
        found = (_number(row.get(name)) for row in trial.logged.rows)
        values = [value for value in found if value is not None]
        last = values[-1] if values else _number(trial.logged.summary.get(name))
        if last is not None:
            metrics.append(LoggedMetric(name, len(values), last, goal(name)))
    return sorted(metrics, key=lambda metric: (not metric.goal, not metric.is_held_out))


def judges(metrics: Iterable[LoggedMetric]) -> list[LoggedMetric]:
    """Return those that a sweep can be judged by."""
    return [metric for metric in metrics if metric.goal]


def goal(name: str) -> str:
    """Return whether a low or a high value of a metric is the better one; empty if unknown."""
    if _LOW.search(name):
        return "minimize"
    return "maximize" if _HIGH.search(name) else ""


def names(metrics: Sequence[LoggedMetric]) -> str:
    """Return metrics as a reader wants to see them: `val/f1 (5 times)`."""
    return ", ".join(
        f"{metric.name!r} ({'in the summary' if not metric.times else _times(metric.times)})"
        for metric in metrics
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _number(value: object) -> float | None:
    found = number(value)
    return None if found is None or math.isnan(found) else found
