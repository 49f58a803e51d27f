"""Collect the runs of a class, for its instructor."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sweepserver.search.metric import Metric
from workshop.analyze.ranking import rank
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.wording import count


def people(roster: Path) -> list[str]:
    """Return the names in a class's roster, the CSV file that the server was started with.

    Raises:
        WorkshopError: the file doesn't exist, or has no column `name`.
    """
    try:
        return pd.read_csv(roster, dtype=str, skipinitialspace=True)["name"].str.strip().tolist()
    except OSError as error:
        raise WorkshopError(
            f"{roster} cannot be read ({error.strerror}): give the roster's path"
        ) from None
    except (KeyError, ValueError):
        raise WorkshopError(
            f"{roster} is not a roster: give a CSV file with a column `name` in its header"
        ) from None


def results(names: Iterable[str], project: str) -> pd.DataFrame:
    """Fetch the runs of everybody's newest sweep in a project.

    Args:
        names: the people's names, which are also their entities.
        project: the project's name, the same for all.

    Returns:
        The rows of `workshop.analyze.fetch_runs`, with a first column `person`.
        `attrs["metric"]` has, for each person, the name and the goal of their sweep's metric, or
        None for those without a sweep.
    """
    tables = []
    metrics: dict[str, tuple[str | None, str] | None] = {}
    for name in names:
        metrics[name] = None
        try:
            runs = fetch_runs(registration.newest(f"{name}/{project}"))
        except WorkshopError:
            continue
        metric = Metric.of(runs.attrs["definition"])
        metrics[name] = (metric.name, metric.goal) if metric else (None, "minimize")
        runs.attrs = {}  # pandas would compare the attrs of two sweeps
        tables.append(runs)
        runs.insert(0, "person", name)
    collected = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"person": []})
    collected.attrs["metric"] = metrics
    return collected


def describe(collected: pd.DataFrame) -> str:
    """Return a line per person: how many runs finished, and the best result."""
    lines = []
    for name, metric in collected.attrs["metric"].items():
        runs = collected[collected["person"] == name]
        if metric is None:
            lines.append(f"{name}: no sweep")
            continue
        finished = int(runs["state"].eq("finished").sum())
        ranking = rank(runs, *metric) if metric[0] in runs else runs.head(0)
        best = f", best {metric[0]} {ranking[metric[0]].iloc[0]:.4g}" if len(ranking) else ""
        lines.append(f"{name}: {finished} of {count(len(runs), 'run')} finished{best}")
    return "\n".join(lines)
