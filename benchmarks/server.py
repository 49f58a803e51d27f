"""`python -m benchmarks.server`: how fast and fair the local W&B server is, and how it grows."""

import argparse
from pathlib import Path

from benchmarks import class_load, fairness, growth, peers
from benchmarks.report import Report

PARTS = {
    "class": class_load.measure,
    "fairness": fairness.measure,
    "growth": growth.measure,
    "peers": peers.measure,
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server", description="Measure the local W&B server on loopback."
    )
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="measure this alone; may be repeated"
    )
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="watch the memory for so long instead"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables there as well")
    options = parser.parse_args()
    report = Report()
    if options.soak:
        class_load.soak(report, options.soak)
    else:
        for part in options.only or PARTS:
            PARTS[part](report)
    if options.json:
        report.save(options.json)


if __name__ == "__main__":
    main()
