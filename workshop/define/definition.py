"""Load a sweep's definition, and preview what it tries before it is registered."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweepserver import search
from workshop.define import program, search_space
from workshop.define.linter import check
from workshop.files import read_mapping
from workshop.paths import ROOT, shown

if TYPE_CHECKING:
    import pandas as pd


def load(path: str | Path) -> dict[str, Any]:
    """Read a sweep configuration.

    Args:
        path: a YAML file; a relative path is looked up in the clone, then in the current folder.

    Returns:
        Its sections.  If the program is in the file's folder, the section `command` starts it
        there.

    Raises:
        WorkshopError: there is no such file, it is not YAML, or `check` finds something in it.
    """
    file = ROOT / path
    if not file.exists() and Path(path).exists():
        file = Path(path).resolve()
    config = program.placed(read_mapping(file), file.parent)
    check(config, shown(file))
    return config


def combinations(config: Mapping) -> int | None:
    """Return how many runs the sweep consists of; None if it never ends.

    A grid has the product of its lists' lengths; random and bayes continue until `run_cap`.
    """
    return search.expected_runs(dict(config))


def searcher(config: Mapping) -> str | None:
    """Return the command that searches a sweep in a process of its own; None if the server does.

    Until that command runs, the sweep's agents wait.
    """
    if config.get("scheduler"):
        return "wandb sweep-scheduler"
    is_controlled = (config.get("controller") or {}).get("type") == "local"
    return "wandb controller" if is_controlled else None


def preview(config: Mapping) -> "pd.DataFrame":
    """Return a preview of what the sweep tries, as a table.

    For a grid, a row per combination in the order in which W&B hands them out (the last
    parameter in alphabetical order varies fastest); otherwise a row per parameter with its
    distribution and range, also of those that only a scheduler's search space knows.
    """
    # Agents and commands import this module but need no tables.
    import pandas as pd

    if config["method"] == "grid":
        axes = grid(config)
        points = pd.DataFrame(itertools.product(*axes.values()), columns=list(axes), dtype=object)
        # A numeric column would turn a null into NaN.
        numbers = [name for name, values in axes.items() if None not in values]
        return points.astype({name: pd.Series(axes[name]).dtype for name in numbers})
    return pd.DataFrame(
        [
            {"parameter": ".".join(path), "drawn from": _describe(specification)}
            for path, specification in search.flatten(search_space.parameters(config))
        ],
        columns=["parameter", "drawn from"],
    )


def grid(config: Mapping) -> dict[str, list]:
    """Return the values of each parameter, each once, in W&B's (alphabetical) order.

    Nested parameters are named `outer.inner`.
    """
    return {".".join(path): values for path, values in search.Grid(dict(config)).axes.items()}


def _describe(specification: Mapping) -> str:
    if "value" in specification:
        return f"always {specification['value']}"
    if "values" in specification:
        return f"one of {', '.join(map(str, specification['values']))}"
    distribution = search.distribution(dict(specification))
    options = {key: value for key, value in specification.items() if key != "distribution"}
    return f"{distribution}, " + ", ".join(f"{key} {value}" for key, value in options.items())
