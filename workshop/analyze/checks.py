"""Checks of a sweep: requested against effective values, and the overhead of its agents."""

import math

import numpy as np
import pandas as pd

from sweepserver.search import Scale
from workshop.define.parameter_values import numbers
from workshop.trainer.metrics import EFFECTIVE_LEARNING_RATE


def requested_and_effective(frame: pd.DataFrame) -> pd.DataFrame:
    """Return for each run whether the learning rate that the sweep picked reached the optimizer.

    The requested value is in the run's config.  The trainer reads `Effective Learning Rate` from
    the optimizer itself.  They differ if a program trains with its own values.

    Args:
        frame: runs as `fetch_runs` returns them.

    Returns:
        `name`, `requested`, `effective` and `reached`: yes, no, or `not logged` for a run that
        never built an optimizer, or whose program doesn't log the value.  If no run logged it, a
        printed sentence says what to do.
    """
    missing = pd.Series(math.nan, frame.index)
    requested = numbers(frame.get("learning_rate", missing), Scale("linear"))
    effective = frame.get(EFFECTIVE_LEARNING_RATE, missing)
    if len(frame) and effective.isna().all():
        print(
            "None of these runs has logged its optimizer's learning rate as 'Effective Learning "
            "Rate': log it once, or check that the program uses a sweep's values with "
            "`workshop adopt PROGRAM`."
        )
    found = pd.DataFrame(
        {"name": frame["name"], "requested": requested, "effective": effective, "reached": "no"}
    )
    found.loc[np.isclose(requested, effective, rtol=1e-9, atol=0), "reached"] = "yes"
    found.loc[effective.isna(), "reached"] = "not logged"
    return found


def overhead(frame: pd.DataFrame, starts: pd.DataFrame | None = None) -> pd.Series:
    """Return how much of the agents' time was spent on runs, and how much was overhead.

    Without tasks, the time is measured from the start of the first run to the end of the last one,
    which leaves out the start-up before the first run.

    Args:
        frame: runs as `fetch_runs` returns them; those that never started don't count.
        starts: the starts of the array tasks that did them, as `slurm.occupancy` returns them.  If
            there are any, the whole time of every task counts.

    Returns:
        `runs`, `at once` (the most concurrent runs, taken as the number of agents), `seconds in
        all` (wall time), `seconds of a run` (the mean), and `seconds without a run`: of a task (the
        mean over the runs), or of an agent between two runs (the mean over the gaps).
    """
    runs = frame.dropna(subset=["started", "seconds"])
    ends = runs["started"] + pd.to_timedelta(runs["seconds"], unit="s")
    # Runs don't overlap if one ends at the moment when the other starts.
    changes = pd.concat([pd.Series(-1, index=ends), pd.Series(1, index=runs["started"])])
    at_once = max(changes.sort_index(kind="stable").cumsum(), default=0)
    if starts is not None and len(starts):
        elapsed = starts["ended"].max() - starts["began"].min()
        held, shares = (starts["ended"] - starts["began"]).sum(), len(runs)
    else:
        elapsed = (ends.max() - runs["started"].min()).total_seconds()
        held, shares = at_once * elapsed, len(runs) - at_once
    idle = held - runs["seconds"].sum()
    return pd.Series(
        {
            "runs": len(runs),
            "at once": at_once,
            "seconds in all": elapsed,
            "seconds of a run": runs["seconds"].mean(),
            "seconds without a run": idle / shares if shares > 0 else math.nan,
        }
    )
