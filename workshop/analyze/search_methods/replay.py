"""Replay search methods on recorded runs, with the local server's own search."""

import random
import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweepserver import search
from sweepserver.search import Trial
from workshop.analyze.running_best import HIGH, LOW
from workshop.errors import WorkshopError
from workshop.paths import CONFIGS
from workshop.trainer.metrics import VALIDATION_ACCURACY

if TYPE_CHECKING:
    import optuna

METRIC = VALIDATION_ACCURACY
"""The metric that the searches maximize, in percent."""

TABLE = Path(__file__).with_name("digits.csv")
ORDERS = {method: Path(__file__).with_name(f"{method}.csv") for method in ("bayes", "tpe")}
"""The files of recorded searches, because each takes seconds."""

PARAMETERS: dict[str, list[Any]] = {
    "batch_size": [16, 32, 64],
    "learning_rate": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
    "optimizer": ["adam", "sgd"],
    "weight_decay": [0.0001, 0.01],
}
"""The table has a row per combination."""


def recorded() -> pd.DataFrame:
    """Return the recorded runs as `fetch_runs` would, with the `seconds` that each took."""
    runs = pd.read_csv(TABLE, comment="#")
    names = [f"run-{number}" for number in range(1, len(runs) + 1)]
    runs = runs.assign(run=names, name=names, state="finished")
    lists = {name: {"values": values} for name, values in PARAMETERS.items()}
    runs.attrs["definition"] = {"parameters": lists}
    return runs


def replay(table: pd.DataFrame, method: str, runs: int, seed: int = 0) -> list[int]:
    """Search the table as a sweep would, with one agent.

    Args:
        table: what `recorded` returned.
        method: `grid`, in W&B's order; `grid reversed`, the same with every list of values
            written backwards; `random`; `bayes`, the local server's, which takes a second or two
            for 40 runs; or `tpe`, Optuna's as `configs/optuna_search.py` sets it up.
        runs: how many rows to pick, at most as many as the table has.
        seed: the seed of random choices.

    Returns:
        The rows of the table in the order in which they were picked.  A point that isn't in the
        table, or was already picked, is replaced by the nearest one that is left.
    """
    places = _places(table)
    points = table[list(PARAMETERS)].to_dict("records")
    left: np.ndarray = np.ones(len(table), dtype=bool)
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

    A grid's order depends on how its lists are written, so it is included twice.  Random search is
    repeated; the searches by bayes and TPE were recorded (`ORDERS`).

    Args:
        runs: the length of each search, at most that of the recorded ones.
        repeats: the number of searches by `random`.

    Returns:
        A row per method and number of runs: `method`, `runs`, `middle` (the median of the best
        so far over all searches), `low` and `high` (its 5 % and 95 % quantile), and `searches`.
    """
    table = recorded()
    searches = {
        "grid": [replay(table, "grid", runs)],
        "grid reversed": [replay(table, "grid reversed", runs)],
        "random": [replay(table, "random", runs, seed) for seed in range(repeats)],
    } | {
        method: pd.read_csv(orders, comment="#")[:runs].to_numpy().T
        for method, orders in ORDERS.items()
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
    if method == "tpe":
        return _ask_tpe(definition, trials, seed)
    if method != "bayes":
        step = -1 if is_reversed else 1
        lists = {name: {"values": values[::step]} for name, values in PARAMETERS.items()}
        point = search.suggest(definition | {"parameters": lists}, trials, rng)
        if point is None:
            raise WorkshopError(f"the grid has only {len(trials)} runs: ask for at most that many")
        return point
    # Imported here, because Optuna takes seconds.
    from sweepserver.search import bayes

    return bayes.suggest(definition | {"parameters": _ranges()}, trials, seed)


def _ask_tpe(definition: dict[str, Any], trials: list[Trial], seed: int) -> dict[str, Any]:
    """Return the proposal of a restarted scheduler that knows these trials."""
    # Imported here, because Optuna takes seconds.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # not a line for each study
    study = _tpe()(SimpleNamespace(config=definition), seed)
    axes = {
        name: optuna.distributions.CategoricalDistribution(values)
        if isinstance(values[0], str)
        else optuna.distributions.FloatDistribution(values[0], values[-1], log=True)
        for name, values in PARAMETERS.items()
    }
    study.add_trials(
        [
            optuna.trial.create_trial(params=trial.point, distributions=axes, value=trial.value)
            for trial in trials
        ]
    )
    return study.ask(axes).params


@cache
def _tpe() -> "Callable[..., optuna.Study]":
    """Return the function that makes the study of `configs/sweep_config_optuna.yaml`."""
    return runpy.run_path(str(CONFIGS / "optuna_search.py"))["tpe"]


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
    """Return a point's coordinates, from 0 to 1 along each parameter."""
    coordinates = []
    for name, values in PARAMETERS.items():
        if isinstance(values[0], str):
            coordinates.append(values.index(point[name]))
        else:
            low, high = np.log(values[0]), np.log(values[-1])
            coordinates.append((np.log(point[name]) - low) / (high - low))
    return np.array(coordinates)
