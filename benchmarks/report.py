"""What was measured, printed as tables and kept as JSON."""

import importlib.metadata
import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("wandb", "starlette", "uvicorn", "graphql-core")


class Report:
    """The tables of one run of a benchmark.

    Args:
        packages: Those whose versions matter.
    """

    def __init__(self, packages: Iterable[str] = PACKAGES):
        self._packages = packages
        self._tables: dict[str, list[dict]] = {}

    def add(self, title: str, row: dict, note: str = "") -> None:
        """Print a row of a table; the first row of a title begins its table.

        Args:
            title: The table.
            row: Values by column, the same columns in every row of a table.
            note: What to say under the title.
        """
        rows = self._tables.setdefault(title, [])
        if not rows:
            print(f"\n{title}" + (f"\n{note}" if note else ""))
            print("  ".join(name.rjust(width(name)) for name in row))
        rows.append(row)
        cells = (shown(value).rjust(width(name)) for name, value in row.items())
        print("  ".join(cells), flush=True)

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        content = {"machine": machine(self._packages), "tables": self._tables}
        path.write_text(json.dumps(content, indent=1))


def width(name: str) -> int:
    """Return how wide a column is."""
    return max(9, len(name))


def shown(value: object) -> str:
    """Return a value as a table shows it: numbers with three digits or more."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def machine(packages: Iterable[str]) -> dict[str, str]:
    """Return on what the measurement ran."""
    processors = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": f"{os.cpu_count()} x {processors[0] if processors else platform.machine()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: importlib.metadata.version(name) for name in packages},
    }
