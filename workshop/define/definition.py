"""Read a sweep's definition, and see what it tries before anything is registered."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweepserver import search
from workshop.define.linter import check
from workshop.files import read_mapping
from workshop.paths import ROOT, shown

if TYPE_CHECKING:
    import pandas as pd


def load(path: str | Path) -> dict[str, Any]:
    """Read a sweep configuration.

    Args:
        path: a YAML file; a relative path is looked up in the clone.

    Raises:
        WorkshopError: there is no such file, it is not YAML, or `check` finds something in it.
    """
    path = ROOT / path
    config = read_mapping(path)
    check(config, shown(path))
    return config


def combinations(config: Mapping) -> int | None:
    """Return how many runs the sweep consists of; None if it has no end.

    A grid has the product of its lists, random and bayes go on until `run_cap`.
    """
    return search.expected_runs(dict(config))


def preview(config: Mapping) -> "pd.DataFrame":
    """Return what the sweep tries.

    For a grid, a row per combination in the order in which W&B hands them out (the last
    parameter in alphabetical order varies fastest); otherwise a row per parameter with its
    distribution and range.
    """
    # Agents and commands load this module, and need no tables.
    import pandas as pd

    if config["method"] == "grid":
        axes = grid(config)
        points = pd.DataFrame(itertools.product(*axes.values()), columns=list(axes), dtype=object)
        # A column of numbers would make a null NaN.
        numbers = [name for name, values in axes.items() if None not in values]
        return points.astype({name: pd.Series(axes[name]).dtype for name in numbers})
    return pd.DataFrame(
        [
            {"parameter": ".".join(path), "drawn from": _describe(specification)}
            for path, specification in search.flatten(config["parameters"])
        ]
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
