"""Look at a sweep while agents work on it, wherever they run: how far is it, what is best so far.

Everything is one query, so that a view that follows a sweep may look every few seconds.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workshop.config import METRICS
from workshop.errors import WorkshopError
from workshop.logged import history_spec, values_in
from workshop.progress import ENDED
from workshop.server.metric import Metric

if TYPE_CHECKING:
    import pandas as pd
    import wandb

# States of a sweep in which it hands out no more runs.
_CLOSED = ("FINISHED", "CANCELED", "CRASHED", "FAILED")

# `runs` under its own name would be replaced by the client with a list that asks once more.
_QUERY = """
query SweepProgress($entity: String, $project: String!, $name: String!, $specs: [JSONString!]!) {
  project(name: $project, entityName: $entity) {
    sweep(sweepName: $name) {
      id name state config runCountExpected
      seen: runs(first: 1000) {
        edges {
          node {
            name displayName state createdAt config summaryMetrics
            sampledHistory(specs: $specs)
          }
        }
      }
    }
  }
}
"""

_named: dict[str, str] = {}
"""The metric of each sweep that was looked at, unless it is the one of the workshop's sweeps.

A query must name the metric whose history it asks for, before the sweep has told its own.
"""


@dataclass(frozen=True)
class Look:
    """What one look at a sweep has seen; printed, it is a summary and a table.

    Attributes:
        state: the sweep's own, for example `RUNNING`; `FINISHED` also after `sweep.stop`.
        expected: how many runs the sweep consists of; None if it has no end.
        metric: the name of the metric that the sweep is judged by; None if it has none.
        goal: `maximize` or `minimize`.
        goals: the names of several goals, of which none is the metric; empty if there are none.
        varied: the parameters that the sweep varies.
        runs: a row per run, the oldest first: `run` (ID), `name`, `state`, `epoch` and `epochs`
            (done and planned, NaN if unknown), a column per parameter that the sweep varies, and
            the run's value of the metric so far (NaN if it has none yet).
    """

    state: str
    expected: int | None
    metric: str | None
    goal: str
    varied: list[str]
    runs: "pd.DataFrame" = field(repr=False)
    goals: str = ""

    @property
    def ended(self) -> int:
        """How many runs have ended, in whatever way."""
        return int(self.runs["state"].isin(ENDED).sum())

    @property
    def closed(self) -> bool:
        """Whether the sweep hands out no more runs, because it is done or was stopped."""
        return self.state in _CLOSED

    @property
    def complete(self) -> bool:
        """Whether nothing more comes: every run has ended, and no other will be handed out."""
        handed_out = self.expected is not None and len(self.runs) >= self.expected
        return (handed_out or self.closed) and self.ended == len(self.runs)

    @property
    def best(self) -> "pd.Series | None":
        """The row of the best run that finished with a finite metric; None if none has."""
        from workshop.importance import rank

        if self.metric is None:
            return None
        ranked = rank(self.runs, self.metric, self.goal)
        return None if ranked.empty else ranked.iloc[0]

    @property
    def headline(self) -> str:
        """How far the sweep is, in a line."""
        of_all = "" if self.expected is None else f" of {self.expected}"
        counts = sorted(Counter(self.runs["state"]).items())
        states = ", ".join(f"{number} {state}" for state, number in counts)
        return f"{self.ended}{of_all} runs ended · {states or 'no run yet'}"

    @property
    def best_so_far(self) -> str:
        """The best run and its hyperparameters, in a line."""
        if self.goals:
            return f"Best so far: no single run, for the sweep has several goals ({self.goals})"
        if self.metric is None:
            return "Best so far: unknown, for the sweep names no metric"
        best = self.best
        if best is None:
            return f"Best so far: no run has finished with a {self.metric} yet"
        chosen = ", ".join(f"{name} {short(best[name])}" for name in self.varied)
        name = f"{best['name']}: {chosen}" if chosen else best["name"]
        return f"Best so far: {self.metric} {short(best[self.metric])} ({name})"

    def table(self) -> "pd.DataFrame":
        """Return the runs as a reader wants to see them: every cell a short text."""
        shown = self.runs[["name", "state"]].copy()
        shown["epoch"] = [
            _epoch(done, planned)
            for done, planned in zip(self.runs["epoch"], self.runs["epochs"], strict=True)
        ]
        for column in [*self.varied, *([self.metric] if self.metric else [])]:
            shown[column] = [short(value) for value in self.runs[column]]
        return shown

    def __str__(self) -> str:
        lines = [self.headline, self.best_so_far]
        if len(self.runs):
            lines.append(self.table().to_string(index=False))
        return "\n".join(lines)


def look(path: str, api: "wandb.Api | None" = None) -> Look:
    """Look once at a sweep and its runs (the first 1,000).

    Args:
        path: the sweep, `entity/project/ID`.
        api: the client to ask with; a new one costs a query of its own, to check its key.

    Raises:
        WorkshopError: there is no such sweep, or the server does not answer.
    """
    import pandas as pd
    import wandb

    from workshop.parameter_values import column
    from workshop.search_space import hyperparameters

    try:
        api = api or wandb.Api()
        asked = _named.get(path, METRICS[-1])
        found = _ask(api, path, asked)
        metric = Metric.of(found.config)
        if metric and metric.name != asked:
            _named[path] = metric.name
            found = _ask(api, path, metric.name)
    except (wandb.errors.Error, ValueError) as error:
        raise WorkshopError(
            f"sweep {path!r} could not be looked at ({error}): give entity/project/ID as "
            "`wandb sweep` printed it, or try again in a minute"
        ) from None
    nodes = [edge["node"] for edge in found.seen["edges"]]
    scales = hyperparameters(found.config)
    varied = list(scales)
    numbers = ["epoch", "epochs", *([metric.name] if metric else [])]
    rows = [
        _row(node, varied, metric) for node in sorted(nodes, key=lambda node: node["createdAt"])
    ]
    runs = pd.DataFrame(rows, columns=["run", "name", "state", *varied, *numbers])
    for name, scale in scales.items():
        runs[name] = column([row[name] for row in rows], scale)
    for name in numbers:
        runs[name] = pd.to_numeric(runs[name], errors="coerce").astype(float)
    return Look(
        state=found.state.upper(),
        expected=found.expected_run_count,
        metric=metric and metric.name,
        goal=metric.goal if metric else "minimize",
        varied=varied,
        runs=runs,
        goals="" if metric else ", ".join(goal.name for goal in Metric.goals_of(found.config)),
    )


def _ask(api: "wandb.Api", path: str, metric: str) -> "wandb.apis.public.Sweep":
    """Ask for a sweep, its runs, and what they have logged of a metric."""
    from wandb.apis.public import Sweep

    entity, project, sweep_id = path.split("/")
    specs = [history_spec(metric)]
    found = Sweep.get(api, entity, project, sweep_id, query=_QUERY, specs=specs)
    if found is None:
        raise ValueError("the server knows none of this name")
    return found


def _row(node: Mapping, varied: list[str], metric: Metric | None) -> dict[str, Any]:
    config = {key: entry["value"] for key, entry in json.loads(node["config"] or "{}").items()}
    summary = json.loads(node["summaryMetrics"] or "{}")
    row = {name: _inner(config, name) for name in varied}
    row |= {"run": node["name"], "name": node["displayName"], "state": node["state"]}
    row |= {"epoch": summary.get("Epoch"), "epochs": config.get("num_epochs")}
    if metric:
        row[metric.name] = metric.value(summary, values_in(node, metric.name))
    return row


def _inner(config: Any, name: str) -> Any:
    """Return what a name such as `outer.inner` stands for, NaN if for nothing."""
    for key in name.split("."):
        config = config.get(key, math.nan) if isinstance(config, Mapping) else math.nan
    return config


def _epoch(done: float, planned: float) -> str:
    """Return `3 of 10`; an epoch that was not reached yet is 0, an unknown number a dash."""
    if planned != planned:  # NaN
        return "-" if done != done else f"{done:.0f}"
    return f"{0 if done != done else done:.0f} of {planned:.0f}"


def short(value: Any) -> str:
    """Return a value with at most four digits for a cell of a table; a missing one is a dash.

    A null that the sweep lists is none that is missing.
    """
    from workshop.style import value_text

    if value != value:  # NaN
        return "-"
    return value_text(value)
