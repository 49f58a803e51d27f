"""`python -m benchmarks.analysis`: how long it takes to analyze a sweep of 1,000 runs."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.report import Report
from sweepserver.search import Scale
from workshop import analyze
from workshop.analyze import plots

METRIC = "Validation Accuracy"
SIZES = (10, 100, 1_000)
REPEATS = 5
PARAMETERS = {
    "learning_rate": Scale("log"),
    "weight_decay": Scale("log"),
    "optimizer": Scale("category"),
    "batch_size": Scale("log"),
    "momentum": Scale("linear"),
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.analysis",
        description="Measure the analysis of a sweep, from its table of runs to the figures.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables there as well")
    options = parser.parse_args()
    report = Report()
    measure(report)
    if options.json:
        report.save(options.json)


def measure(report: Report) -> None:
    """Measure every part with every size, all of them in turn, so that other work hits each."""
    parts = {size: prepare(size) for size in SIZES}
    for part in parts[SIZES[0]].values():
        part()  # the libraries are loaded now
    taken: dict[tuple[str, int], list[float]] = {}
    for _ in range(REPEATS):
        for size in SIZES:
            for name, part in parts[size].items():
                start = time.perf_counter()
                part()
                taken.setdefault((name, size), []).append(time.perf_counter() - start)
    whole = dict.fromkeys(SIZES, 0.0)
    for name in parts[SIZES[0]]:
        middle = {size: statistics.median(taken[name, size]) for size in SIZES}
        whole = {size: whole[size] + middle[size] for size in SIZES}
        add(report, name, middle)
    add(report, "all of it", whole)


def add(report: Report, name: str, seconds: dict[int, float]) -> None:
    """Add a row: milliseconds by size, and how they grow."""
    columns = {f"{size:,} runs": 1000 * value for size, value in seconds.items()}
    ratio = seconds[SIZES[-1]] / seconds[SIZES[-2]]
    report.add(
        "Analysis of a sweep after its runs were fetched, in milliseconds",
        {"part".ljust(26): name.ljust(26), **columns, "ratio 1,000 to 100": ratio},
        f"Medians of {REPEATS}; the libraries are loaded",
    )


def prepare(size: int) -> dict[str, Callable[[], object]]:
    """Return what notebook 04 does with so many runs, by name."""
    frame = sweep(size)
    curves = history(frame)
    weights = analyze.importance(frame, METRIC, PARAMETERS)
    stopped = analyze.best_so_far(frame, METRIC)
    return {
        "rank": lambda: analyze.rank(frame, METRIC),
        "left out": lambda: analyze.left_out(frame, METRIC),
        "requested and effective": lambda: analyze.requested_and_effective(frame),
        "importance": lambda: analyze.importance(frame, METRIC, PARAMETERS),
        "best so far": lambda: analyze.best_so_far(frame, METRIC),
        "figure: parallel": lambda: plots.parallel_coordinates(frame, PARAMETERS, METRIC),
        "figure: importance": lambda: plots.importance_bars(weights, METRIC),
        "figure: best so far": lambda: plots.best_so_far(stopped, METRIC),
        "figure: learning curves": lambda: plots.learning_curves(curves),
        "figure: timeline": lambda: plots.task_timeline(frame),
    }


def sweep(size: int) -> pd.DataFrame:
    """Return runs as `fetch_runs` does, one in twenty of them failed, eight at a time."""
    rng = np.random.default_rng(0)
    rates = 10 ** rng.uniform(-4, -1, size)
    begin = np.arange(size) // 8 * 60 + rng.uniform(0, 5, size)
    return pd.DataFrame(
        {
            "run": [f"r{number}" for number in range(size)],
            "name": [f"quiet-sweep-{number}" for number in range(size)],
            "state": np.where(np.arange(size) % 20 == 19, "failed", "finished"),
            "learning_rate": rates,
            "weight_decay": 10 ** rng.uniform(-6, -2, size),
            "optimizer": rng.choice(["adam", "adamw", "sgd"], size),
            "batch_size": rng.choice([32, 64, 128], size),
            "momentum": rng.uniform(0, 1, size),
            METRIC: 90 - 12 * (np.log10(rates) + 2.5) ** 2 + rng.normal(0, 2, size),
            "Effective Learning Rate": rates,
            "started": pd.Timestamp("2026-01-02", tz="UTC") + pd.to_timedelta(begin, unit="s"),
            "seconds": rng.uniform(40, 55, size),
            "host": "node1",
            "array_task": None,
        }
    )


def history(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ten epochs of each run."""
    epochs = frame[["run", METRIC]].merge(pd.DataFrame({"Epoch": range(1, 11)}), how="cross")
    epochs[METRIC] *= 1 - 0.5 ** epochs["Epoch"]
    epochs["Train Loss"] = 2.3 * 0.8 ** epochs["Epoch"]
    return epochs.assign(step=epochs["Epoch"])[["run", "step", "Epoch", "Train Loss", METRIC]]


if __name__ == "__main__":
    main()
