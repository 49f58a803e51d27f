"""Parameter importance: which hyperparameters a sweep's metric depends on.

These are functions on pandas frames, without wandb; import them from `workshop.analyze`.
"""

import math
import statistics
from collections.abc import Mapping

import numpy as np
import pandas as pd

from sweepserver.search import Scale
from workshop.analyze.forest import importances
from workshop.analyze.ranking import rank
from workshop.define.parameter_values import LARGEST_NUMBER, levels, numbers

MINIMUM_RUNS = 5
"""Fewer runs say nothing about importance: with four, even a correlation of 0.94 is chance."""

CONFIDENCE = 0.95
"""The confidence level of the ranges, as in `chance_correlation`."""

_NUMBERS = [
    "importance", "importance_low", "importance_high", "permutation",
    "correlation", "correlation_low", "correlation_high",
]  # fmt: skip

_CORRELATION = _NUMBERS[-3:]


def importance(frame: pd.DataFrame, metric: str, parameters: Mapping[str, Scale]) -> pd.DataFrame:
    """Return three measures of how much a metric depends on each hyperparameter.

    *Importance* is W&B's: a random forest learns to predict the metric from the
    hyperparameters, and its feature importances are reported.  They are shares that sum to 1.
    They include interactions and curves, but have no direction.  They rate the sweep as it was
    run: a parameter tried over a narrow range looks unimportant.  The shares always sum to 1, even
    for noise, and parameters with many distinct values get more than their due.

    *Permutation* is how much worse the same forest predicts runs that it wasn't fitted to when the
    values of a parameter are shuffled among them.  It is the share of the metric's variance that
    the parameter accounts for, so it is about 0 for noise.  With few runs the forest has learned
    little, and all values are low.

    *Correlation* is Pearson's, from -1 to 1: whether the metric rises or falls with the parameter
    along a straight line.  It is 0 for a parameter whose best value is in the middle.  With few
    runs it differs from 0 by chance alone; see `chance_correlation`.

    Parameters with a log scale are used as logarithms.  Categories become an indicator per value
    (0 or 1), whose importances are summed; the correlation is the strongest among the values.  A
    null among numbers also becomes an indicator.  Correlations of fewer than 5 runs don't count.

    Each number has a *range*, its 95 % confidence interval: how uncertain it is because the sweep
    had these runs and not others.  For importances it is 1.96 standard errors to either side (see
    `workshop.analyze.forest`), for correlations Fisher's transformation of Pearson's coefficient.
    It doesn't include the bias of a forest that is fitted to few runs.

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
        for, empty if it is for numbers), `runs` (how many were used) and `remark`.  A number that
        would be meaningless is NaN, and the remark says why in a sentence: fewer than 5 runs, a
        parameter that never varied, a metric that was the same in every run or exploded.
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
    if (largest := runs[metric].abs().max()) > LARGEST_NUMBER:
        table["remark"] = (
            f"{metric} reaches {largest:.3g}, which makes all other values look equal: leave out "
            "the runs that diverged."
        )
        return table
    inputs = {}
    for name, scale in parameters.items():
        places = numbers(runs[name], scale).astype(object).fillna(levels(runs[name], scale))
        if places.nunique() < 2:
            texts = [scale.text(value) for value in runs[name][places.notna()]]
            table.loc[name, "remark"] = (
                f"It was {texts[0]} in every run." if texts else "No run has it."
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
    """Return the correlation that chance alone exceeds in one of twenty sweeps of this size.

    It is the critical value of Pearson's coefficient at the 5 % level, two-sided, from
    Student's t distribution: 0.88 for 5 runs, 0.71 for 8, 0.25 for 60.

    Args:
        runs: the number of runs, at least 3.
    """
    from scipy.stats import t

    quantile = t.ppf(0.975, runs - 2)
    return float(quantile / math.sqrt(runs - 2 + quantile**2))


def _correlation(values: pd.Series, target: pd.Series) -> list[float]:
    """Return Pearson's coefficient and the ends of its range, for the runs that have a value.

    They are NaN if there are too few runs, or if one of the two never varied.
    """
    from scipy.stats import pearsonr

    known = values.notna()
    varied = min(values[known].nunique(), target[known].nunique()) > 1
    if known.sum() < MINIMUM_RUNS or not varied:
        return [math.nan] * 3
    found = pearsonr(values[known], target[known])
    return [found.statistic, *found.confidence_interval(CONFIDENCE)]


def _features(values: pd.Series, scale: Scale) -> pd.DataFrame:
    """Return a parameter as numeric columns: an unnamed one for its numbers, and one per level."""
    found = numbers(values, scale)
    columns = pd.get_dummies(levels(values, scale), dtype=float)
    if found.nunique() > 1:
        columns.insert(0, "", np.log10(found) if scale.kind == "log" else found)
    return columns
