"""What a class has done, for its instructor."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from sweepserver.search.metric import Metric
from workshop.analyze.ranking import rank
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs


def people(roster: Path) -> list[str]:
    """Return the names of a class's roster, the CSV file that the server was started with.

    Raises:
        WorkshopError: there is no such file, or it has no column `name`.
    """
    try:
        return pd.read_csv(roster, dtype=str, skipinitialspace=True)["name"].str.strip().tolist()
    except OSError as error:
        raise WorkshopError(
            f"{roster} cannot be read ({error.strerror}): name the roster"
        ) from None
    except (KeyError, ValueError):
        raise WorkshopError(
            f"{roster} is no roster: expected a CSV file whose header has the column name"
        ) from None


def results(names: Iterable[str], project: str) -> pd.DataFrame:
    """Read the runs of everybody's newest sweep in a project.

    Args:
        names: the people, whose entities have their names.
        project: its name, the same for all.

    Returns:
        The rows of `workshop.analyze.fetch_runs` after the column `person`; `attrs["metric"]` is,
        for each person, the name and the goal that their sweep judges by, None for those
        who have no sweep.
    """
    tables, metrics = [], {}
    for name in names:
        metrics[name] = None
        try:
            runs = fetch_runs(registration.newest(f"{name}/{project}"))
        except WorkshopError:
            continue
        metric = Metric.of(runs.attrs["definition"])
        metrics[name] = (metric.name, metric.goal) if metric else (None, "minimize")
        runs.attrs = {}  # pandas would compare those of two sweeps
        tables.append(runs)
        runs.insert(0, "person", name)
    collected = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"person": []})
    collected.attrs["metric"] = metrics
    return collected


def describe(collected: pd.DataFrame) -> str:
    """Say in a line per person how many runs there are, and what the best one reached."""
    lines = []
    for name, metric in collected.attrs["metric"].items():
        runs = collected[collected["person"] == name]
        if metric is None:
            lines.append(f"{name}: no sweep")
            continue
        finished = int(runs["state"].eq("finished").sum())
        ranking = rank(runs, *metric) if metric[0] in runs else runs.head(0)
        best = f", best {metric[0]} {ranking[metric[0]].iloc[0]:.4g}" if len(ranking) else ""
        lines.append(f"{name}: {finished} of {len(runs)} runs finished{best}")
    return "\n".join(lines)
