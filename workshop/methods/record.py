"""Record the tables that `workshop.methods` replays: `python -m workshop.methods.record`.

It trains every combination of four hyperparameters once, with the kit's own trainer, server and
agent (a quarter of an hour on one core), and then lets the local server's bayes search
choose among the results many times over.  The files beside this program are written anew.
"""

import argparse
import platform
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from workshop import backend, sweep
from workshop.agents import run_in_process
from workshop.analysis import fetch_runs
from workshop.methods.replay import METRIC, ORDERS, PARAMETERS, TABLE, recorded, replay

FIXED = {"scale": "smoke", "model_name": "resnet18", "num_epochs": 1}
"""The rest of what each run is trained with: a small network, for seconds."""

REPEATS = 100
"""Searches by bayes: five of them lie below their 5 % quantile."""

PICKS = 40
"""Runs of a search by bayes: a second or two to choose them all."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m workshop.methods.record", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--only", choices=("runs", "bayes"), help="the training alone, or the search alone"
    )
    only = parser.parse_args().only
    if only != "bayes":
        record_runs()
    if only != "runs":
        record_bayes()


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
        path = sweep.register(definition, "recording")
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


def record_bayes() -> None:
    """Search the table by bayes again and again, and write the rows that were picked."""
    table = recorded()
    orders = {
        f"search {seed}": replay(table, "bayes", PICKS, seed) for seed in range(1, REPEATS + 1)
    }
    write(
        ORDERS,
        pd.DataFrame(orders),
        f"Rows of {TABLE.name} (from 0) in the order in which the local server's bayes picks them",
        ("optuna", "torch", "scipy"),
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
