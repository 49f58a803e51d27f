"""What hyperband would have stopped: a replay over learning curves that were recorded once."""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workshop.errors import WorkshopError
from workshop.methods.replay import METRIC
from workshop.paths import shown
from workshop.server.search import hyperband

CURVES = Path(__file__).with_name("curves.csv")

AGENTS = 3
"""Side by side, as in notebook 07."""


def recorded_curves() -> pd.DataFrame:
    """Return the recorded learning curves.

    Returns:
        A row per run and epoch: the run's number `run`, its parameters, `Epoch`, what it logged,
        and `Epoch Seconds`.

    Raises:
        WorkshopError: they are not recorded.
    """
    if not CURVES.exists():
        raise WorkshopError(
            f"{shown(CURVES)} is missing: record it by `python -m maintenance.record_curves`, some "
            "minutes of training"
        )
    return pd.read_csv(CURVES, comment="#")


def brackets(settings: Mapping[str, Any], epochs: int) -> pd.DataFrame:
    """Return where hyperband compares the runs of a sweep.

    Args:
        settings: the section `early_terminate` of a definition.
        epochs: how many values of its metric a run logs if nobody stops it.

    Returns:
        A row per bracket, counted from 1: `epoch` (after so many values), and `goes on` (the share
        of the runs that come so far which is let go on, 1/eta).

    Raises:
        WorkshopError: the settings are refused by the server as well.
    """
    for problem in hyperband.problems(dict(settings)):
        raise WorkshopError(problem)
    found = sorted(hyperband.brackets(dict(settings), epochs))
    share = 1 / settings.get("eta", hyperband.ETA)
    index = pd.RangeIndex(1, len(found) + 1, name="bracket")
    return pd.DataFrame({"epoch": found, "goes on": share}, index=index)


def stop_early(
    curves: Mapping[Any, list[float]],
    settings: Mapping[str, Any],
    goal: str = "maximize",
    agents: int = AGENTS,
) -> pd.DataFrame:
    """Replay a sweep with early termination over complete learning curves.

    Agents side by side take the runs in order.  All epochs take equally long, and a run ends with
    the value that has it stopped; a real one goes on for some seconds.  Who is stopped, the local
    server's own rule decides, each time that a value was logged.

    Args:
        curves: the values of the metric by run, in the order in which the sweep hands them out.
        settings: the section `early_terminate` of its definition.
        goal: `maximize` or `minimize`.
        agents: how many runs there are at a time.

    Returns:
        A row per run (the index): `epochs` (how many it had), `of` (how many it would have had),
        `stopped` (whether it was stopped), `reached` (its best value until then) and `best` (the
        best value of the complete curve).

    Raises:
        WorkshopError: the settings are refused by the server as well.
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
        # A run that has logged everything has ended, whatever is said of it with its last value.
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
    """Return what early termination has saved in a sweep, and what it has cost.

    Args:
        table: what `stop_early` returned.
        goal: `maximize` or `minimize`.

    Returns:
        `runs`, `stopped` (how many), `epochs saved` (a share of all), `winner lost` (whether the
        run that would have been the best was stopped) and `cost` (by how much the best result is
        worse for it, 0 or more).
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
    choices: Mapping[str, Mapping[str, Any]], repeats: int = 100, agents: int = AGENTS
) -> pd.DataFrame:
    """Replay the recorded curves with several settings, and in many orders.

    A run is compared with those that came before it, so that the order matters: what was handed
    out first has nobody to be worse than.

    Args:
        choices: settings of `early_terminate` by the name to give them.
        repeats: in how many orders to hand the runs out.
        agents: how many runs there are at a time.

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
    return pd.DataFrame(rows, index=pd.Index(choices, name="early_terminate"))
