"""How much of a winner is luck: points that were trained once with each of several seeds."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sweepserver.search import Scale
from workshop.analyze.ranking import rank
from workshop.analyze.replicates import SEED, point_keys, rank_points

SEEDS = Path(__file__).with_name("seeds.csv")

POINTS = [
    *({"learning_rate": rate, "optimizer": "adam"} for rate in (0.002, 0.003, 0.005, 0.007)),
    *({"learning_rate": rate, "optimizer": "sgd"} for rate in (0.03, 0.05, 0.07, 0.1)),
]
"""The values that a second sweep would try, around the best points of the first."""

REPLICATES = 8
"""Seeds, from 0 on."""


def recorded_seeds() -> pd.DataFrame:
    """Return the recorded runs as `fetch_runs` would: a row per point and seed."""
    runs = pd.read_csv(SEEDS, comment="#")
    runs = runs.assign(run=runs["name"], state="finished")
    values = {name: list(dict.fromkeys(point[name] for point in POINTS)) for name in POINTS[0]}
    lists = {name: {"values": listed} for name, listed in values.items()}
    runs.attrs["definition"] = {"parameters": lists}
    return runs


def winners(
    frame: pd.DataFrame, metric: str, parameters: Mapping[str, Scale], goal: str = "maximize"
) -> pd.DataFrame:
    """Return the winner with each seed alone, and that point's result with the other seeds.

    Args:
        frame: runs of the same points with several seeds, as `fetch_runs` returns them.
        metric: a column of it.
        parameters: scales by name, as `hyperparameters` returns them; all but the seed make a
            point.
        goal: `maximize` or `minimize`, as in the sweep configuration.

    Returns:
        A row per seed (the index): the parameters of the point with the best value, `won with`
        (that value), `other seeds` (the point's mean over them) and `its rank` (among all points by
        that mean; 1 is a winner that the other seeds confirm).  NaN if no other seed has the point.

    Raises:
        WorkshopError: the frame has no column `metric`, or the goal is unknown.
    """
    names = [name for name in parameters if name != SEED]
    ranked = rank(frame, metric, goal)
    ranked["point"] = point_keys(ranked, names)
    rows = []
    for seed, runs in ranked.groupby(SEED):
        best = runs.iloc[0]
        others = rank_points(ranked[ranked[SEED] != seed], metric, parameters, goal)
        means = others["mean"].set_axis(point_keys(others, names))
        places = pd.Series(others.index, means.index)
        rows.append(
            {
                SEED: seed,
                **best[names],
                "won with": best[metric],
                "other seeds": means.get(best["point"], math.nan),
                "its rank": places.get(best["point"], math.nan),
            }
        )
    return pd.DataFrame(rows).set_index(SEED)
