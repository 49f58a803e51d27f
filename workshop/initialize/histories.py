"""Bulk queries for the values of one metric in all runs of a sweep."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweepserver.search.values import lookup
from workshop._compat import ask_for_sweep
from workshop.initialize.server_paths import split

if TYPE_CHECKING:
    import wandb

RUNS_PER_PAGE = 100
"""Large enough for few queries, and small enough for the client's timeout of 19 s."""

SAMPLES = 100_000
"""The number of values per run, as W&B's own controller asks for."""

# `runs` under its own name would be replaced by the client with a list that asks once more.
_QUERY = """
query SweepHistories($entity: String, $project: String!, $name: String!, $specs: [JSONString!]!,
                     $first: Int, $after: String) {
  project(name: $project, entityName: $entity) {
    sweep(sweepName: $name) {
      id name state config
      page: runs(first: $first, after: $after) {
        edges { node { name sampledHistory(specs: $specs) } }
        pageInfo { endCursor hasNextPage }
      }
    }
  }
}
"""


def history_spec(metric: str) -> str:
    """Return the spec of one metric for a query's `sampledHistory(specs: [...])`."""
    return json.dumps({"keys": [metric], "samples": SAMPLES})


def values_in(node: Mapping[str, Any], metric: str) -> list[Any]:
    """Return the values of a metric in a run's `sampledHistory`, in the order of steps."""
    (rows,) = node["sampledHistory"]
    return [lookup(row, metric) for row in rows]


def logged_values(api: "wandb.Api", sweep_path: str, metric: str) -> dict[str, list[Any]]:
    """Read the values of one metric in the histories of all runs of a sweep.

    Args:
        api: the client to use.
        sweep_path: `entity/project/ID`.
        metric: its name, dotted if it is nested.

    Returns:
        The values by run ID, in the order of steps.

    Raises:
        WorkshopError: the path is incomplete.
        ValueError: the server does not return them.
    """
    options = {"specs": [history_spec(metric)], "first": RUNS_PER_PAGE}
    values: dict[str, list[Any]] = {}
    after = None
    while True:
        sweep = ask_for_sweep(api, split(sweep_path), _QUERY, after=after, **options)
        # If a query fails, the client falls back to its own one, which has no history.
        page = getattr(sweep, "page", None)
        if page is None:
            raise ValueError(f"the server did not return the runs' values of {metric}")
        for node in (edge["node"] for edge in page["edges"]):
            values[node["name"]] = values_in(node, metric)
        if not page["pageInfo"]["hasNextPage"]:
            return values
        after = page["pageInfo"]["endCursor"]
