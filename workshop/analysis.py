"""Analyze a sweep, step 4: its runs as a table, the best of them, and which parameter mattered.

Everything works on pandas frames: `fetch_runs` and `history` make them through W&B's public
API, the other functions need no server.
"""

import math

import numpy as np
import pandas as pd

from workshop.best_so_far import best_so_far
from workshop.errors import WorkshopError
from workshop.fetching import SUMMARY, fetch_runs, history
from workshop.importance import chance_correlation, importance, left_out, rank
from workshop.parameter_values import numbers
from workshop.pareto import rank_fronts
from workshop.replicates import rank_points
from workshop.search_space import hyperparameters
from workshop.server.search import Scale

__all__ = [
    "SUMMARY",
    "best_so_far",
    "chance_correlation",
    "fetch_runs",
    "history",
    "hyperparameters",
    "importance",
    "left_out",
    "overhead",
    "rank",
    "rank_fronts",
    "rank_points",
    "requested_and_effective",
]


def requested_and_effective(frame: pd.DataFrame) -> pd.DataFrame:
    """Tell for each run whether the learning rate that the sweep picked reached the optimizer.

    What the sweep picked is in the run's config; `Effective Learning Rate` the trainer reads
    from the optimizer itself.  They differ if a program trains with values of its own.

    Args:
        frame: runs as `fetch_runs` returns them.

    Returns:
        `name`, `requested`, `effective` and `reached`: yes, no, or `not logged` for a run that
        never built an optimizer.

    Raises:
        WorkshopError: the runs have no learning rate in their config.
    """
    if "learning_rate" not in frame:
        raise WorkshopError(
            "the runs have no learning_rate in their config, so there is nothing to compare: "
            "choose a sweep of the trainer, workshop/wandb_sweep.py"
        )
    requested = numbers(frame["learning_rate"], Scale("linear"))
    effective = frame["Effective Learning Rate"]
    found = pd.DataFrame(
        {"name": frame["name"], "requested": requested, "effective": effective, "reached": "no"}
    )
    found.loc[np.isclose(requested, effective, rtol=1e-9, atol=0), "reached"] = "yes"
    found.loc[effective.isna(), "reached"] = "not logged"
    return found


def overhead(frame: pd.DataFrame) -> pd.Series:
    """Say how much of the time of agents side by side went into runs, and how much did not.

    The clock runs from the start of the first run to the end of the last one; the start-up
    before the first run is not in it.

    Args:
        frame: runs as `fetch_runs` returns them; those that never started do not count.

    Returns:
        `runs`, `at once` (the most runs at one moment: so many agents are taken to have been at
        work), `seconds in all` (by the clock), `seconds of a run` (in the mean), and `seconds
        between runs`, in which an agent had none (the mean over the gaps).
    """
    runs = frame.dropna(subset=["started", "seconds"])
    ends = runs["started"] + pd.to_timedelta(runs["seconds"], unit="s")
    # A run that ends in the moment in which another starts was not beside it.
    changes = pd.concat([pd.Series(-1, index=ends), pd.Series(1, index=runs["started"])])
    at_once = max(changes.sort_index(kind="stable").cumsum(), default=0)
    elapsed = (ends.max() - runs["started"].min()).total_seconds()
    gaps = len(runs) - at_once
    idle = at_once * elapsed - runs["seconds"].sum()
    return pd.Series(
        {
            "runs": len(runs),
            "at once": at_once,
            "seconds in all": elapsed,
            "seconds of a run": runs["seconds"].mean(),
            "seconds between runs": idle / gaps if gaps > 0 else math.nan,
        }
    )
