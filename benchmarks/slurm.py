"""What the mapping of runs to array tasks costs: 12 runs of a sweep, two tasks at a time.

    python -m benchmarks.slurm [--quick] [--json FILE]

It starts the test cluster (on Debian) and a local server in a folder of its own.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import wandb

from benchmarks.report import Report
from tests.slurm.cluster import Cluster
from workshop.connection import backend
from workshop.define import definition
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs, history
from workshop.run_agents import slurm

RUNS, AT_ONCE = 12, 2
TRIAL = {"model_name": "resnet18", "sample_ratio": 0.1, "num_epochs": 1, "scale": "smoke"}


def main() -> None:
    """Measure each mapping and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="4 runs instead of 12")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as home, Cluster() as cluster:
        os.environ.update(cluster.environment, WORKSHOP_HOME=home)
        for variable in [name for name in os.environ if name.startswith("WANDB_")]:
            del os.environ[variable]
        with backend.session("local"):
            for runs_per_task in (1, 3, "all"):
                measure(report, runs_per_task, 4 if options.quick else RUNS)
        wandb.teardown()  # the cluster's end is that of all processes that know of it
    if options.json:
        report.save(options.json)


def measure(report: Report, runs_per_task: slurm.RunsPerTask, runs: int) -> None:
    """Run a sweep of so many runs with one mapping, and add its row to the report."""
    config = definition.load("configs/sweep_config.yaml")
    config["parameters"] = {name: {"value": value} for name, value in TRIAL.items()}
    config["parameters"]["seed"] = {"values": list(range(runs))}
    path = registration.register(config, "benchmark")
    submission = slurm.plan(path, at_once=AT_ONCE, runs_per_task=runs_per_task, site="test_cluster")
    job = slurm.submit(submission, show=lambda line: None)
    slurm.wait(job, every=1, show=lambda line: None)
    time.sleep(5)  # for SLURM's accounting
    starts = slurm.occupancy(path)
    held = (starts["ended"] - starts["began"]).sum()
    elapsed = starts["ended"].max() - starts["began"].min()
    trained = history(fetch_runs(path)["path"], ["Epoch Seconds"])["Epoch Seconds"].sum()
    report.add(
        f"{runs} runs, {AT_ONCE} at a time",
        {
            "runs per task": runs_per_task,
            "tasks": submission.tasks,
            "seconds in all": float(elapsed),
            "training per run": trained / runs,
            "beyond it per run": (held - trained) / runs,
        },
        note="seconds; tasks hold their places from the script's start to its end",
    )


if __name__ == "__main__":
    main()
