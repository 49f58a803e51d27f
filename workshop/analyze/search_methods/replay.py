"""Let each search method choose among recorded runs, with the local server's own search."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sweepserver import search
from sweepserver.search import Trial
from workshop.analyze.running_best import HIGH, LOW
from workshop.trainer.metrics import VALIDATION_ACCURACY

METRIC = VALIDATION_ACCURACY
"""What the searches maximize, in percent."""

TABLE = Path(__file__).with_name("digits.csv")
ORDERS = Path(__file__).with_name("bayes.csv")

PARAMETERS = {
    "batch_size": [16, 32, 64],
    "learning_rate": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
    "optimizer": ["adam", "sgd"],
    "weight_decay": [0.0001, 0.01],
}
"""The table has a row per combination."""


def recorded() -> pd.DataFrame:
    """Return the recorded runs: a column per parameter, their metrics, and `seconds` each."""
    return pd.read_csv(TABLE, comment="#")


def replay(table: pd.DataFrame, method: str, runs: int, seed: int = 0) -> list[int]:
    """Search the table as a sweep would, with one agent.

    Args:
        table: what `recorded` returned.
        method: `grid`, in W&B's order; `grid reversed`, the same with every list of values
            written backwards; `random`; or `bayes`, which takes a second or two for 40 runs.
        runs: how many to pick, at most as many as the table has rows.
        seed: of what is random.

    Returns:
        The rows of the table in the order in which they were picked.  A point that is not in
        the table, or was picked already, is replaced by the nearest one that was not.
    """
    places = _places(table)
    points = table[list(PARAMETERS)].to_dict("records")
    left = np.ones(len(table), dtype=bool)
    picked: list[int] = []
    trials: list[Trial] = []
    rng = random.Random(seed)  # noqa: S311
    for number in range(runs):
        point = _suggest(method, trials, rng, 1000 * seed + number)
        distances = np.abs(places - _place(point)).sum(axis=1)
        row = int(np.where(left, distances, np.inf).argmin())
        left[row] = False
        picked.append(row)
        trials.append(Trial(points[row], float(table[METRIC][row]), is_live=False))
    return picked


def compare(runs: int = 40, repeats: int = 200) -> pd.DataFrame:
    """Return how good the best of 1, 2, 3, ... runs is with each method.

    A grid has one order, which follows from how its lists were written; so it is here twice.
    Random search is repeated; the searches by bayes were recorded, because each takes seconds.

    Args:
        runs: how long each search is, at most as long as the recorded ones.
        repeats: searches by `random`.

    Returns:
        A row per method and number of runs: `method`, `runs`, `middle` (the median of the best
        so far over all searches), `low` and `high` (its 5 % and 95 % quantile), and `searches`.
    """
    table = recorded()
    orders = pd.read_csv(ORDERS, comment="#")
    searches = {
        "grid": [replay(table, "grid", runs)],
        "grid reversed": [replay(table, "grid reversed", runs)],
        "random": [replay(table, "random", runs, seed) for seed in range(repeats)],
        "bayes": orders[:runs].to_numpy().T,
    }
    results = table[METRIC].to_numpy()
    frames = []
    for method, picked in searches.items():
        best = np.maximum.accumulate(results[np.array(picked)], axis=1)
        low, middle, high = np.quantile(best, [LOW, 0.5, HIGH], axis=0)
        frames.append(
            pd.DataFrame(
                {
                    "method": method,
                    "runs": np.arange(1, best.shape[1] + 1),
                    "middle": middle,
                    "low": low,
                    "high": high,
                    "searches": len(best),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _suggest(method: str, trials: list[Trial], rng: random.Random, seed: int) -> dict[str, Any]:
    method, _, is_reversed = method.partition(" ")
    definition = {"method": method, "metric": {"name": METRIC, "goal": "maximize"}}
    if method != "bayes":
        step = -1 if is_reversed else 1
        lists = {name: {"values": values[::step]} for name, values in PARAMETERS.items()}
        return search.suggest(definition | {"parameters": lists}, trials, rng)
    # Imported here, because Optuna takes seconds.
    from sweepserver.search import bayes

    return bayes.suggest(definition | {"parameters": _ranges()}, trials, seed)


def _ranges() -> dict[str, dict]:
    """Return the parameters as a sweep by bayes has them: numbers as ranges on a log scale."""
    return {
        name: {"values": values}
        if isinstance(values[0], str)
        else {"distribution": "log_uniform_values", "min": values[0], "max": values[-1]}
        for name, values in PARAMETERS.items()
    }


def _places(table: pd.DataFrame) -> np.ndarray:
    return np.array([_place(point) for point in table[list(PARAMETERS)].to_dict("records")])


def _place(point: dict[str, Any]) -> np.ndarray:
    """Return where a point lies: from 0 to 1 along each parameter."""
    coordinates = []
    for name, values in PARAMETERS.items():
        if isinstance(values[0], str):
            coordinates.append(values.index(point[name]))
        else:
            low, high = np.log(values[0]), np.log(values[-1])
            coordinates.append((np.log(point[name]) - low) / (high - low))
    return np.array(coordinates)
