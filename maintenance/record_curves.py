"""Record the learning curves over which `workshop.analyze.search_methods` replays hyperband.

    python -m maintenance.record_curves --runs 6

trains some more of the curves, one after the other with the kit's own trainer, server and agent,
and adds them to workshop/analyze/search_methods/curves.csv.  It is done when it says so.  To record
everything anew, delete the file first.
"""

import argparse
import itertools

import pandas as pd

from maintenance.record_search_methods import write
from workshop.analyze.search_methods.replay import METRIC
from workshop.analyze.search_methods.stopping import CURVES, recorded_curves
from workshop.connection import backend
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs, history
from workshop.run_agents.local import run_in_process
from workshop.trainer.config import POINT

EPOCHS = 9
"""With eta 3, two steps after the first one: 1, 3 and 9."""

PARAMETERS = {
    "batch_size": [16, 64],
    "learning_rate": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
    "optimizer": ["adam", "sgd"],
}
FIXED = {
    "scale": "tiny", "model_name": "resnet18", "stem": "cifar", "image_size": 8,
    "num_epochs": EPOCHS,
}  # fmt: skip
LOGGED = ["Epoch", "Train Loss", "Validation Loss", METRIC]


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m maintenance.record_curves", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--runs", type=int, default=1000, help="at most so many, now")
    at_most = parser.parse_args(arguments).runs
    known = recorded_curves() if CURVES.exists() else pd.DataFrame(columns=["run", *PARAMETERS])
    done = {tuple(point) for point in known[[*PARAMETERS]].itertuples(index=False)}
    points = list(itertools.product(*PARAMETERS.values()))
    missing = [point for point in points if point not in done][:at_most]
    if missing:
        frame = record(missing, first=known["run"].nunique())
        frame = pd.concat([known, frame]) if len(known) else frame  # which keeps whole numbers
        settings = ", ".join(f"{name} {value}" for name, value in FIXED.items())
        write(CURVES, frame, f"Learning curves: {settings}", ("torch", "torchvision", "wandb"))
    left = len(points) - len(done) - len(missing)
    print(f"{left} curves are missing" if left else "all curves are recorded")


def record(points: list[tuple], first: int) -> pd.DataFrame:
    """Train at some points, and return a row per epoch; runs are numbered from `first` on."""
    definition = {
        "program": "workshop/wandb_sweep.py",
        "method": "grid",
        "metric": {"name": METRIC, "goal": "maximize"},
        "parameters": {name: {"value": value} for name, value in FIXED.items()}
        | {POINT: {"values": [dict(zip(PARAMETERS, point, strict=True)) for point in points]}},
    }
    with backend.session("local"):
        path = registration.register(definition, "recording")
        run_in_process(path)
        runs = fetch_runs(path)
        curves = history(runs["path"], LOGGED)
    numbers = {run: number for number, run in enumerate(runs["run"], start=first)}
    frame = curves.merge(runs[["run", *PARAMETERS]], on="run")
    frame["run"] = frame["run"].map(numbers)
    frame = frame.astype({"Epoch": int})
    return frame[["run", *PARAMETERS, *LOGGED]].round(
        {"Train Loss": 4, "Validation Loss": 4, METRIC: 3}
    )


if __name__ == "__main__":
    main()
