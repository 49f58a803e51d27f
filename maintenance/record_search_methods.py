"""Record the tables that `workshop.analyze.search_methods` replays.

    python -m maintenance.record_search_methods

It trains every combination of four hyperparameters once, with the kit's own trainer, server and
agent (a quarter of an hour on one core), and then lets the local server's bayes search and Optuna's
TPE choose among the results many times over.  Their files are written anew.
"""

import argparse
import platform
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from workshop.analyze.search_methods.replay import (
    METRIC,
    ORDERS,
    PARAMETERS,
    TABLE,
    recorded,
    replay,
)
from workshop.connection import backend
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.run_agents.local import run_in_process

FIXED = {"scale": "smoke", "model_name": "resnet18", "num_epochs": 1}
"""The rest of what each run is trained with: a small network, for seconds."""

REPEATS = 100
"""Searches by each method: five of them lie below their 5 % quantile."""

PICKS = 40
"""Runs of a search: a second or two to choose them all."""

SEARCHES = {
    "bayes": ("the local server's bayes picks them", ("optuna", "torch", "scipy")),
    "tpe": ("Optuna's TPE picks them, as configs/optuna_search.py has it", ("optuna",)),
}
"""Who picks, and the packages that decide about it."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m maintenance.record_search_methods", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--only", choices=("runs", *SEARCHES), help="the training alone, or one search alone"
    )
    only = parser.parse_args().only
    if only in (None, "runs"):
        record_runs()
    for method in SEARCHES:
        if only in (None, method):
            record_searches(method)


def record_runs() -> None:
    """Train every combination and write what came out to `TABLE`."""
    values = PARAMETERS | {name: [value] for name, value in FIXED.items()}
    definition = {
        "program": "workshop/wandb_sweep.py",
        "method": "grid",
        "metric": {"name": METRIC, "goal": "maximize"},
        "parameters": {name: {"values": choices} for name, choices in values.items()},
    }
    with backend.session("local"):
        path = registration.register(definition, "recording")
        run_in_process(path)
        runs = fetch_runs(path)
    columns = [*sorted(PARAMETERS), METRIC, "Validation Loss", "seconds"]
    settings = ", ".join(f"{name} {value}" for name, value in FIXED.items())
    write(
        TABLE,
        runs[columns].round({METRIC: 3, "Validation Loss": 4, "seconds": 1}),
        f"Every combination, trained once: {settings}, one thread of {_processor()}",
        ("torch", "torchvision", "scikit-learn", "wandb"),
    )


def record_searches(method: str) -> None:
    """Search the table again and again, and write the rows that were picked."""
    table = recorded()
    orders = {
        f"search {seed}": replay(table, method, PICKS, seed) for seed in range(1, REPEATS + 1)
    }
    who, packages = SEARCHES[method]
    write(
        ORDERS[method],
        pd.DataFrame(orders),
        f"Rows of {TABLE.name} (from 0) in the order in which {who}",
        packages,
    )


def write(path: Path, frame: pd.DataFrame, what: str, packages: tuple[str, ...]) -> None:
    """Write a table with a header: what it is, and what it was recorded with."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    header = [what, f"Recorded {time.strftime('%Y-%m-%d')} with {versions}"]
    lines = [f"# {line}\n" for line in header]
    path.write_text("".join(lines) + frame.to_csv(index=False))


def _processor() -> str:
    with open("/proc/cpuinfo") as file:  # noqa: PTH123
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
