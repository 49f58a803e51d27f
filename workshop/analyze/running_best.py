"""The running best of a sweep: what stopping earlier would have cost."""

import math

import numpy as np
import pandas as pd

from workshop.analyze.ranking import rank
from workshop.initialize.run_states import ENDED

LOW, HIGH = 0.05, 0.95
"""The quantiles between which nine of ten orders lie."""


def best_so_far(frame: pd.DataFrame, metric: str, goal: str = "maximize") -> pd.DataFrame:
    """Return the best result after 1, 2, 3, ... runs: in the actual order, and in any order.

    The order of a sweep's runs is one of many.  Of n runs drawn at random from the N that ended,
    the best is the i-th smallest of all with probability C(i - 1, n - 1) / C(N, n).  The mean and
    the quantiles follow exactly, without random draws.  A run that ended without a finite value
    counts as done, and is never the best.

    This is fair for grid and random search.  Bayes finds good runs later on purpose, so for it
    only `in_order` shows what stopping would have cost.

    Sources: Dodge et al., Show Your Work, EMNLP 2019, https://arxiv.org/abs/1909.03004; without
    replacement, Tang et al., Showing Your Work Doesn't Always Work, ACL 2020,
    https://arxiv.org/abs/2004.13705.

    Args:
        frame: runs as `fetch_runs` returns them; those that have not ended do not count.
        metric: a column of it.
        goal: `maximize` or `minimize`, as in the sweep configuration.

    Returns:
        A row per number of runs: `runs`, `in_order` (the best so far in the order in which the
        sweep handed the runs out), `expected` (the mean over all orders in which there is a
        result by then), `low` and `high` (its 5 % and 95 % quantile), and `lost`: how much
        worse than the best of all runs the expected one is, 0 or more.  NaN where there is no
        result yet.  Empty if no run finished with a finite value.  `attrs` are the frame's.

    Raises:
        WorkshopError: the frame has no column `metric`, or the goal is unknown.
    """
    ranked = rank(frame, metric, goal)
    columns = ["runs", "in_order", "expected", "low", "high", "lost"]
    if ranked.empty:
        return pd.DataFrame(columns=columns, dtype=float)
    sign = 1 if goal == "maximize" else -1
    ended = frame[frame["state"].isin(ENDED)]
    results = (sign * ended[metric]).where(ended["run"].isin(ranked["run"]), -math.inf).to_numpy()
    ascending = np.sort(results)
    count = len(ascending)
    rows = []
    below = np.ones(count + 1)  # by i: the probability that all n runs are among the i smallest
    for n in range(1, count + 1):
        below = below * np.clip(np.arange(count + 1) - n + 1, 0, None) / (count - n + 1)
        chances = np.diff(below)
        known = np.isfinite(ascending)
        mean = (chances[known] @ ascending[known]) / chances[known].sum()
        # A quantile is the first result whose cumulative probability is at least its level.
        places = np.searchsorted(below[1:] + 1e-12, [LOW, HIGH])
        so_far = results[:n].max()
        rows.append((n, so_far, mean, *ascending[places], ascending[-1] - mean))
    found = pd.DataFrame(rows, columns=columns).replace(-math.inf, math.nan)
    found[columns[1:-1]] *= sign
    found.attrs = frame.attrs
    return found.rename(columns={"low": "high", "high": "low"})[columns] if sign < 0 else found
