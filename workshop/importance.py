"""Which runs of a sweep count, and which hyperparameter had to do with their metric.

The part of `workshop.analysis` that needs no wandb: functions on pandas frames alone, which
readers import from there.
"""

import math
import statistics
from collections.abc import Mapping

import numpy as np
import pandas as pd

from workshop.errors import WorkshopError
from workshop.forest import importances
from workshop.parameter_values import LARGEST, levels, numbers
from workshop.server.search import Scale

MINIMUM_RUNS = 5
"""Fewer runs say nothing about importance: with four, even a correlation of 0.94 is chance."""

CONFIDENCE = 0.95
"""Of the ranges, as `chance_correlation` has it."""

_NUMBERS = [
    "importance", "importance_low", "importance_high", "permutation",
    "correlation", "correlation_low", "correlation_high",
]  # fmt: skip

_CORRELATION = _NUMBERS[-3:]

_UNFINISHED = {
    "pending": "has not started yet",
    "running": "is still running, so its last value is not its final one",
    "preempted": "was preempted and waits to be resumed",
    "preempting": "is being preempted",
    "failed": "failed: its program ended with an error",
    "crashed": "crashed: its process stopped reporting",
    "killed": "was stopped before its end",
    "stopped early": "was stopped early by the sweep, because others were better by then",
}


def rank(frame: pd.DataFrame, metric: str, goal: str = "maximize") -> pd.DataFrame:
    """Return the runs that finished with a finite metric, the best first, counted from 1.

    Args:
        frame: runs as `fetch_runs` returns them.
        metric: a column of it.
        goal: `maximize` or `minimize`, as in the sweep configuration.

    Raises:
        WorkshopError: the frame has no such column, or the goal is none of the two.
    """
    if goal not in ("maximize", "minimize"):
        raise WorkshopError(f"goal {goal!r} is not known: use 'maximize' or 'minimize'")
    ranked = frame[_counts(frame, metric)].sort_values(
        metric, ascending=goal == "minimize", kind="stable", ignore_index=True
    )
    ranked.index = pd.RangeIndex(1, len(ranked) + 1, name="rank")
    return ranked


def left_out(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the runs that `rank` leaves out, each with the reason.

    Returns:
        Columns `run`, `name` and `reason` (a sentence).

    Raises:
        WorkshopError: the frame has no column `metric`.
    """
    others = frame.loc[~_counts(frame, metric), ["run", "name", "state", metric]]
    early = frame.get("stopped_early", pd.Series(False, frame.index))[others.index]
    states = others["state"].mask(early.astype(bool), "stopped early")
    reasons = [
        f"Run {name} {_UNFINISHED.get(state) or _missing(metric, value)}."
        for name, state, value in zip(others["name"], states, others[metric], strict=True)
    ]
    return others[["run", "name"]].assign(reason=reasons).reset_index(drop=True)


def importance(frame: pd.DataFrame, metric: str, parameters: Mapping[str, Scale]) -> pd.DataFrame:
    """Say how much each hyperparameter had to do with a metric, in three ways.

    *Importance* is W&B's: a random forest learns to predict the metric from the
    hyperparameters, and its feature importances are reported.  They are shares that sum to 1;
    they see interactions and curves, but have no direction.  They rate the sweep as it was
    run: a parameter tried over a narrow range looks unimportant.  A forest always hands out
    the whole sum, to noise as well, and more of it to parameters with many distinct values.

    *Permutation* asks the same forest how much worse it predicts runs that it was not fitted to
    when the values of a parameter are shuffled among them.  Importance shares out 1 in all,
    whatever the forest has learned; permutation is the share of the metric's variance that the
    parameter accounts for, and so about 0 for noise.  With few runs the forest has learned little,
    and all of them are low.

    *Correlation* is Pearson's, from -1 to 1: whether the metric rises or falls with the
    parameter along a straight line.  A parameter whose best value lies in the middle has
    none.  With few runs it differs from 0 by chance alone, see `chance_correlation`.

    Parameters with a log scale are taken as logarithms.  Categories become an indicator per
    value (0 or 1) whose importances are summed; the correlation is that of the value with the
    strongest one.  A null beside numbers becomes an indicator beside them.  Correlations of fewer
    than 5 runs do not count.

    Each number has a *range*, its 95 % confidence interval: how uncertain it is because the
    sweep had these runs and not others.  For importances it is 1.96 standard errors to either
    side, see `workshop.forest`; for correlations Fisher's transformation of Pearson's
    coefficient.  It does not hold the bias that a forest has with so many runs.

    Sources: https://docs.coreweave.com/products/wandb/app/features/panels/parameter-importance;
    for the bias of such importances, Strobl et al., BMC Bioinformatics 8:25, 2007; for the range
    of a correlation, Fisher, Metron 1, 1921.

    Args:
        frame: runs as `fetch_runs` returns them; those that `rank` accepts are used.
        metric: a column of it.
        parameters: scales by name, as `hyperparameters` returns them.

    Returns:
        A row per parameter (the index), the most important first: `importance`, `permutation`,
        `correlation`, the ends of two ranges (`importance_low`, `importance_high`,
        `correlation_low`, `correlation_high`), `category` (the value that the correlation is
        for, empty if it is for numbers), `runs` (how many were used) and `remark`.  The numbers are
        NaN where they would mean nothing, and the remark says why in a sentence: fewer than 5
        runs, a parameter that never varied, a metric that was the same in every run or exploded.
    """
    runs = rank(frame, metric)
    table = pd.DataFrame(
        dict.fromkeys(_NUMBERS, math.nan) | {"category": "", "runs": len(runs), "remark": ""},
        index=pd.Index(parameters, name="parameter"),
    )
    if len(runs) < MINIMUM_RUNS:
        table["remark"] = (
            f"Needs at least {MINIMUM_RUNS} finished runs with a {metric}; so far: {len(runs)}."
        )
        return table
    if runs[metric].nunique() == 1:
        table["remark"] = f"{metric} is {runs[metric].iloc[0]:g} in every run."
        return table
    if (largest := runs[metric].abs().max()) > LARGEST:
        table["remark"] = (
            f"{metric} reaches {largest:.3g}, beside which all others look equal: "
            "leave the runs out that diverged."
        )
        return table
    inputs = {}
    for name, scale in parameters.items():
        places = numbers(runs[name], scale).astype(object).fillna(levels(runs[name], scale))
        if places.nunique() < 2:
            known = [scale.text(value) for value in runs[name][places.notna()]]
            table.loc[name, "remark"] = (
                f"It was {known[0]} in every run." if known else "No run has it."
            )
            continue
        inputs[name] = _features(runs[name], scale)
        correlations = {
            category: _correlation(column, runs[metric])
            for category, column in inputs[name].items()
        }
        known = {key: found for key, found in correlations.items() if not math.isnan(found[0])}
        if known:
            strongest = max(known, key=lambda category: abs(known[category][0]))
            table.loc[name, _CORRELATION] = known[strongest]
            table.loc[name, "category"] = strongest
    if inputs:
        found = importances(inputs, runs[metric])
        reach = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * found["error"]
        table.loc[found.index, "importance"] = found["importance"]
        table.loc[found.index, "permutation"] = found["permutation"]
        table.loc[found.index, "importance_low"] = (found["importance"] - reach).clip(lower=0)
        table.loc[found.index, "importance_high"] = (found["importance"] + reach).clip(upper=1)
    return table.sort_values("importance", ascending=False, kind="stable")


def chance_correlation(runs: int) -> float:
    """Return the correlation that so many runs exceed by chance once in twenty times.

    It is the critical value of Pearson's coefficient at the 5 % level, two-sided, from
    Student's t distribution: 0.88 for 5 runs, 0.71 for 8, 0.25 for 60.

    Args:
        runs: at least 3.
    """
    from scipy.stats import t

    quantile = t.ppf(0.975, runs - 2)
    return float(quantile / math.sqrt(runs - 2 + quantile**2))


def _correlation(values: pd.Series, target: pd.Series) -> list[float]:
    """Return Pearson's coefficient and the ends of its range, of the runs that have a value.

    NaN if they are too few, or if one of the two never varied.
    """
    from scipy.stats import pearsonr

    known = values.notna()
    varied = min(values[known].nunique(), target[known].nunique()) > 1
    if known.sum() < MINIMUM_RUNS or not varied:
        return [math.nan] * 3
    found = pearsonr(values[known], target[known])
    return [found.statistic, *found.confidence_interval(CONFIDENCE)]


def _counts(frame: pd.DataFrame, metric: str) -> pd.Series:
    """Return for each run whether it finished with a finite metric."""
    if metric not in frame:
        raise WorkshopError(
            f"the runs have no column {metric!r}: choose one of {', '.join(map(str, frame))}"
        )
    return (frame["state"] == "finished") & frame[metric].abs().lt(math.inf)


def _missing(metric: str, value: float) -> str:
    if math.isnan(value):
        return f"finished without a {metric}: it was never logged, or it was not a number"
    return f"finished with a {metric} of {value}, which is no finite number"


def _features(values: pd.Series, scale: Scale) -> pd.DataFrame:
    """Return a parameter as numeric columns: one for its numbers, and one per level, by its name.

    The column of the numbers has no name.
    """
    found = numbers(values, scale)
    columns = pd.get_dummies(levels(values, scale), dtype=float)
    if found.nunique() > 1:
        columns.insert(0, "", np.log10(found) if scale.kind == "log" else found)
    return columns
