"""Record the runs with which `workshop.analyze.search_methods` tells winners from lucky ones.

    python -m maintenance.record_seeds

trains a few good points with several seeds each, with the kit's own trainer, server and agents
(some minutes on two cores), and writes workshop/analyze/search_methods/seeds.csv anew.
"""

from maintenance.record_search_methods import FIXED as COMMON
from maintenance.record_search_methods import write
from workshop.analyze.replicates import SEED
from workshop.analyze.search_methods.luck import POINTS, REPLICATES, SEEDS
from workshop.analyze.search_methods.replay import METRIC
from workshop.connection import backend
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.run_agents.warm import run_warm
from workshop.trainer.config import POINT

FIXED = COMMON | {"batch_size": 32}
"""With which the good points are about equally good."""


def main() -> None:
    """Run the command."""
    lists = {POINT: POINTS, SEED: list(range(REPLICATES))}
    definition = {
        "program": "workshop/wandb_sweep.py",
        "method": "grid",
        "metric": {"name": METRIC, "goal": "maximize"},
        "parameters": {name: {"value": value} for name, value in FIXED.items()}
        | {name: {"values": values} for name, values in lists.items()},
    }
    with backend.session("local"):
        path = registration.register(definition, "recording")
        run_warm(path, at_once=2)
        runs = fetch_runs(path)
    settings = ", ".join(f"{name} {value}" for name, value in FIXED.items())
    write(
        SEEDS,
        runs[["name", *POINTS[0], SEED, METRIC]].round({METRIC: 3}),
        f"The same points with several seeds: {settings}",
        ("torch", "torchvision", "scikit-learn", "wandb"),
    )


if __name__ == "__main__":
    main()
