"""Replay hyperband's early termination over recorded learning curves."""

import math
import random
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sweepserver.search import hyperband
from workshop.analyze.search_methods.replay import METRIC
from workshop.errors import WorkshopError
from workshop.paths import shown

CURVES = Path(__file__).with_name("curves.csv")

AGENTS = 3
"""How many agents run at once."""


def recorded_curves() -> pd.DataFrame:
    """Return the recorded learning curves.

    Returns:
        A row per run and epoch: the run's number `run`, its parameters, `Epoch` and its metrics.

    Raises:
        WorkshopError: the recording is missing.
    """
    if not CURVES.exists():
        raise WorkshopError(
            f"{shown(CURVES)} is missing: record it with `python -m maintenance.record_curves`, "
            "which trains for some minutes"
        )
    return pd.read_csv(CURVES, comment="#")


def brackets(settings: Mapping[str, Any], epochs: int) -> pd.DataFrame:
    """Return where hyperband compares the runs of a sweep.

    Args:
        settings: the section `early_terminate` of a definition.
        epochs: how many metric values a complete run logs.

    Returns:
        A row per bracket, counted from 1: `epoch` (the number of values at which runs are
        compared), and `continues` (the share of those runs that continue, 1/eta).

    Raises:
        WorkshopError: the settings are invalid; the server would refuse them too.
    """
    for problem in hyperband.problems(dict(settings)):
        raise WorkshopError(problem)
    found = sorted(hyperband.brackets(dict(settings), epochs))
    share = 1 / settings.get("eta", hyperband.ETA)
    index = pd.RangeIndex(1, len(found) + 1, name="bracket")
    return pd.DataFrame({"epoch": found, "continues": share}, index=index)


def stop_early(
    curves: Mapping[Any, list[float]],
    settings: Mapping[str, Any],
    goal: str = "maximize",
    agents: int = AGENTS,
) -> pd.DataFrame:
    """Replay a sweep with early termination over complete learning curves.

    Concurrent agents take the runs in order.  All epochs take equally long, and a run ends at the
    value at which it is stopped, whereas a real one continues for some seconds.  The local server's
    own rule decides after each value which runs to stop.

    Args:
        curves: the values of the metric by run, in the order in which the sweep hands them out.
        settings: the section `early_terminate` of its definition.
        goal: `maximize` or `minimize`.
        agents: how many runs there are at once.

    Returns:
        A row per run (the index): `epochs` (how many it had), `of` (how many it would have had),
        `stopped` (whether it was stopped), `reached` (its best value until then) and `best` (the
        best value of the complete curve).

    Raises:
        WorkshopError: the settings are invalid; the server would refuse them too.
    """
    brackets(settings, 1)
    definition = {"metric": {"name": METRIC, "goal": goal}, "early_terminate": dict(settings)}
    logged: dict[str, list[float]] = {}
    waiting = list(curves)[::-1]
    names = {str(run): run for run in curves}
    live: list[str] = []
    stopped: set[str] = set()
    while waiting or live:
        while waiting and len(live) < agents:
            live.append(str(waiting.pop()))
            logged[live[-1]] = []
        for name in list(live):
            if name in stopped:
                continue
            logged[name].append(curves[names[name]][len(logged[name])])
            stopped |= hyperband.to_stop(definition, logged, set(live) - stopped)
        # A run that has logged everything has ended, even if its last value would have stopped it.
        ended = {name for name in live if len(logged[name]) == len(curves[names[name]])}
        stopped -= ended
        live = [name for name in live if name not in ended | stopped]
    best = np.nanmax if goal == "maximize" else np.nanmin
    return pd.DataFrame(
        {
            "epochs": [len(values) for values in logged.values()],
            "of": [len(curves[names[name]]) for name in logged],
            "stopped": [name in stopped for name in logged],
            "reached": [best(values) for values in logged.values()],
            "best": [best(curves[names[name]]) for name in logged],
        },
        index=pd.Index([names[name] for name in logged], name="run"),
    )


def outcome(table: pd.DataFrame, goal: str = "maximize") -> pd.Series:
    """Return what early termination saved in a sweep, and what it cost.

    Args:
        table: what `stop_early` returned.
        goal: `maximize` or `minimize`.

    Returns:
        `runs`, `stopped` (how many), `epochs saved` (a share of all), `winner lost` (whether the
        run that would have been the best was stopped) and `cost` (how much worse the best result
        is, 0 or more).
    """
    sign = 1 if goal == "maximize" else -1
    complete, kept = sign * table["best"], sign * table["reached"][~table["stopped"]]
    return pd.Series(
        {
            "runs": len(table),
            "stopped": int(table["stopped"].sum()),
            "epochs saved": 1 - table["epochs"].sum() / table["of"].sum(),
            "winner lost": bool(table["stopped"][complete.idxmax()]),
            "cost": complete.max() - kept.max() if len(kept) else math.inf,
        }
    )


def compare_stopping(
    choices: Mapping[Hashable, Mapping[str, Any]], repeats: int = 100, agents: int = AGENTS
) -> pd.DataFrame:
    """Replay the recorded curves with several settings, in many orders.

    The order matters because a run is compared with earlier ones: the first run has nothing to be
    compared with.

    Args:
        choices: settings of `early_terminate`, by a name for each.
        repeats: the number of orders of the runs.
        agents: how many runs there are at once.

    Returns:
        A row per choice: the medians of `stopped` and of `epochs saved` over the orders, `winner
        lost` (in which share of them), and `cost`, the mean in units of the metric.
    """
    frame = recorded_curves()
    curves = {run: part[METRIC].tolist() for run, part in frame.groupby("run")}
    rows = []
    for settings in choices.values():
        found = []
        for seed in range(repeats):
            order = random.Random(seed).sample(list(curves), len(curves))  # noqa: S311
            replayed = stop_early({run: curves[run] for run in order}, settings, agents=agents)
            found.append(outcome(replayed))
        outcomes = pd.DataFrame(found)
        rows.append(
            {
                "stopped": outcomes["stopped"].median(),
                "epochs saved": outcomes["epochs saved"].median(),
                "winner lost": outcomes["winner lost"].mean(),
                "cost": outcomes["cost"].mean(),
            }
        )
    # Names may be tuples, such as (min_iter, eta), and stay what they are.
    names = pd.Index(list(choices), name="early_terminate", tupleize_cols=False)
    return pd.DataFrame(rows, index=names)
