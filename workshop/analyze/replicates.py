"""Replicates: compare points that were run with several seeds by their means."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from sweepserver.search import Scale, same
from workshop.analyze.parameter_importance import CONFIDENCE
from workshop.analyze.ranking import rank
from workshop.initialize.run_states import ENDED

SEED = "seed"
"""The parameter in which a point's replicates differ."""

RESAMPLES = 10_000
"""The number of draws for each probability, whose standard error is then at most 0.5 %."""


def rank_points(
    frame: pd.DataFrame,
    metric: str,
    parameters: Mapping[str, Scale],
    goal: str = "maximize",
    seed: int = 0,
) -> pd.DataFrame:
    """Return the points of a sweep, the best mean first, counted from 1.

    Runs that differ only in the seed are replicates of one point.  Their spread shows how far a
    mean would move with other seeds.

    The confidence interval of a mean is Student's.  The probability of being the best comes from a
    parametric bootstrap: every mean is redrawn from its t distribution many times, and the share of
    draws that a point wins is counted.  The usual bootstrap, which resamples the three or five
    values themselves, is overconfident with so few of them: in simulations with three seeds, points
    with a stated probability of 88 % were the best in 84 % of cases, with two seeds in 74 %.  A
    point with a single run gets the pooled spread of the others.

    Choosing the best of many points favors lucky ones.  A point that was chosen by its result needs
    runs with new seeds for an honest mean; see `workshop.analyze.confirmation`.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 6.5; for why
    seeds matter, Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks,
    MLSys 2021, https://arxiv.org/abs/2103.03098.

    Args:
        frame: runs as `fetch_runs` returns them; those that `rank` accepts have a value.
        metric: a column of it.
        parameters: scales by name, as `hyperparameters` returns them; all but the seed make a
            point.
        goal: `maximize` or `minimize`, as in the sweep configuration.
        seed: the seed of the draws.

    Returns:
        A row per point with a value: its parameters, `runs` (how many have a value), `left_out`
        (how many ended without one; the mean is kinder than the point if there are any), `mean`,
        `error` (the mean's standard error), `low` and `high` (its 95 % confidence interval) and
        `probability` (of being the best).  Error and interval are NaN with a single run, the
        probability if no point has two.

    Raises:
        WorkshopError: the frame has no column `metric`, or the goal is unknown.
    """
    names = [name for name in parameters if name != SEED]
    ranked = rank(frame, metric, goal)
    keys = point_keys(ranked, names)
    groups = ranked.groupby(keys, sort=False)
    found = ranked.loc[~keys.duplicated(), names].set_axis(keys.unique())
    counts, means, spreads = (getattr(groups[metric], part)() for part in ("count", "mean", "std"))
    errors = spreads / np.sqrt(counts)
    reach = _quantile(counts) * errors
    ended = frame[frame["state"].isin(ENDED)]
    others = ended[~ended["run"].isin(ranked["run"])]
    found = found.assign(
        runs=counts,
        left_out=point_keys(others, names).value_counts().reindex(found.index, fill_value=0),
        mean=means,
        error=errors,
        low=means - reach,
        high=means + reach,
        probability=_probabilities(counts, means, spreads, goal, seed),
    ).sort_values("mean", ascending=goal == "minimize", kind="stable")
    found.index = pd.RangeIndex(1, len(found) + 1, name="rank")
    return found


def point_keys(frame: pd.DataFrame, names: list[str]) -> pd.Series:
    """Return a key per row, which is the same for rows of one point."""
    points = frame[names].to_dict("records")
    keys = ["\n".join(map(same, point.values())) for point in points]
    return pd.Series(keys, index=frame.index, dtype=object)


def _quantile(counts: pd.Series) -> np.ndarray:
    """Return half the width of the interval in standard errors; NaN for a single run."""
    from scipy.stats import t

    return t.ppf((1 + CONFIDENCE) / 2, (counts - 1).where(counts > 1))


def _probabilities(
    counts: pd.Series, means: pd.Series, spreads: pd.Series, goal: str, seed: int
) -> np.ndarray:
    """Return how often each mean is the best if all are drawn from their t distributions."""
    repeated = counts > 1
    if not repeated.any():
        return np.full(len(counts), np.nan)
    freedom = (counts - 1).where(repeated, (counts - 1).sum())
    pooled = np.sqrt((spreads**2 * (counts - 1)).sum() / (counts - 1).sum())
    errors = spreads.where(repeated, pooled) / np.sqrt(counts)
    draws = np.random.default_rng(seed).standard_t(freedom, (RESAMPLES, len(counts)))
    losses = (-1 if goal == "maximize" else 1) * (means.to_numpy() + errors.to_numpy() * draws)
    is_best = losses == losses.min(axis=1, keepdims=True)
    return (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
