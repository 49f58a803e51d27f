"""What the runs of a sweep have logged of one metric, without a query per run."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweepserver.search.values import lookup

if TYPE_CHECKING:
    import wandb

RUNS_PER_PAGE = 100
"""Few queries, each well within the 19 s that the client waits."""

SAMPLES = 100_000
"""Of a run's values; as many as W&B's own controller asks for."""

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
    """Return what a query's `sampledHistory(specs: [...])` is given to get one metric."""
    return json.dumps({"keys": [metric], "samples": SAMPLES})


def values_in(node: Mapping[str, Any], metric: str) -> list[Any]:
    """Return the values of a metric in a run's `sampledHistory`, in the order of steps."""
    (rows,) = node["sampledHistory"]
    return [lookup(row, metric) for row in rows]


def logged_values(api: "wandb.Api", sweep_path: str, metric: str) -> dict[str, list[Any]]:
    """Read the values of one metric in the histories of all runs of a sweep.

    Args:
        api: the client to ask with.
        sweep_path: `entity/project/ID`.
        metric: its name, dotted if it is nested.

    Returns:
        The values by run ID, in the order of steps.

    Raises:
        ValueError: the server does not tell them.
    """
    from wandb.apis.public import Sweep

    entity, project, name = sweep_path.split("/")
    options = {"query": _QUERY, "specs": [history_spec(metric)], "first": RUNS_PER_PAGE}
    values: dict[str, list[Any]] = {}
    after = None
    while True:
        sweep = Sweep.get(api, entity, project, name, after=after, **options)
        # The client repeats a query that fails as one of its own, which asks for no history.
        page = getattr(sweep, "page", None)
        if page is None:
            raise ValueError(f"what the runs have logged of {metric} was not told")
        for node in (edge["node"] for edge in page["edges"]):
            values[node["name"]] = values_in(node, metric)
        if not page["pageInfo"]["hasNextPage"]:
            return values
        after = page["pageInfo"]["endCursor"]
