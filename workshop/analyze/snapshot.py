"""A snapshot of a sweep while agents work on it: its progress, and the best run so far.

It takes a single query, so that a live view can poll every few seconds.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sweepserver.search.metric import Metric
from workshop._compat import ask_for_sweep, client_errors
from workshop.errors import WorkshopError
from workshop.initialize.histories import history_spec, values_in
from workshop.initialize.run_states import CLOSED, ENDED
from workshop.initialize.server_paths import split
from workshop.trainer.metrics import METRICS
from workshop.wording import count

if TYPE_CHECKING:
    import pandas as pd
    import wandb


_MOST_RUNS = 1000
"""W&B returns no more at once."""

# `runs` under its own name would be replaced by the client with a list that asks once more.
_QUERY = """
query SweepProgress(
  $entity: String, $project: String!, $name: String!, $first: Int!, $specs: [JSONString!]!
) {
  project(name: $project, entityName: $entity) {
    sweep(sweepName: $name) {
      id name state config runCount runCountExpected
      seen: runs(first: $first) {
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
"""A cache of each sweep's metric, unless it is that of the workshop's sweeps.

A query must name the metric whose history it asks for, before the sweep's own metric is known.
"""


@dataclass(frozen=True)
class Snapshot:
    """The state of a sweep at one moment; printed, it is a summary and a table.

    Attributes:
        state: the sweep's state, for example `RUNNING`; `FINISHED` also after `initialize.stop`.
        expected: how many runs the sweep consists of; None if it never ends.
        metric: the name of the sweep's metric; None if it has none.
        goal: `maximize` or `minimize`.
        goals: the names of the goals of a sweep with several; empty for other sweeps.
        varied: the columns of the parameters that the sweep varies, see `analyze.hyperparameters`.
        handed_out: how many runs the sweep has so far; `runs` has the first 1,000 at most.
        runs: a row per run, the oldest first: `run` (ID), `name`, `state`, `epoch` and
            `planned_epochs` (NaN if unknown), a column per parameter that the sweep varies, and
            the run's value of the metric so far (NaN if it has none yet).
    """

    state: str
    expected: int | None
    metric: str | None
    goal: str
    varied: list[str]
    handed_out: int
    runs: "pd.DataFrame" = field(repr=False)
    goals: str = ""

    @property
    def ended(self) -> int:
        """How many runs have ended, in any state."""
        return int(self.runs["state"].isin(ENDED).sum())

    @property
    def closed(self) -> bool:
        """Whether the sweep hands out no more runs, because it has finished or was stopped."""
        return self.state in CLOSED

    @property
    def complete(self) -> bool:
        """Whether nothing will change: every run has ended, and no other will be handed out."""
        all_handed_out = self.expected is not None and self.handed_out >= self.expected
        return (all_handed_out or self.closed) and self.ended == self.handed_out

    @property
    def best(self) -> "pd.Series | None":
        """The row of the best run that finished with a finite metric; None if none has."""
        from workshop.analyze.ranking import rank

        if self.metric is None:
            return None
        ranked = rank(self.runs, self.metric, self.goal)
        return None if ranked.empty else ranked.iloc[0]

    @property
    def headline(self) -> str:
        """The sweep's progress, in a line."""
        if self.expected is None:
            ended = count(self.ended, "run")
        else:
            ended = f"{self.ended} of {count(self.expected, 'run')}"
        counts = sorted(Counter(self.runs["state"]).items())
        states = ", ".join(f"{number} {state}" for state, number in counts)
        unseen = self.handed_out - len(self.runs)
        more = f" · not looked at: {count(unseen, 'later run')}" if unseen else ""
        return f"{ended} ended · {states or 'no runs yet'}{more}"

    @property
    def closing(self) -> str:
        """What being closed early means for the sweep's runs, in a line; empty if it wasn't."""
        if not self.closed:
            return ""
        if not self.complete:
            return "The sweep is stopped: current runs continue to their end."
        if self.expected is None:
            return "The sweep has ended: no more runs will start."
        unstarted = self.expected - self.handed_out
        if unstarted <= 0:
            return ""
        return f"The sweep ended early: {count(unstarted, 'run was', 'runs were')} never started."

    @property
    def best_so_far(self) -> str:
        """The best run and its hyperparameters, in a line."""
        if self.goals:
            return f"Best so far: no single run, because the sweep has several goals ({self.goals})"
        if self.metric is None:
            return "Best so far: unknown, because the sweep has no metric"
        best = self.best
        if best is None:
            return f"Best so far: no run has finished with a {self.metric} yet"
        chosen = ", ".join(f"{name} {short(best[name])}" for name in self.varied)
        name = f"{best['name']}: {chosen}" if chosen else best["name"]
        return f"Best so far: {self.metric} {short(best[self.metric])} ({name})"

    def table(self) -> "pd.DataFrame":
        """Return the runs as a table of short texts."""
        shown = self.runs[["name", "state"]].copy()
        shown["epoch"] = [
            _epoch(done, planned)
            for done, planned in zip(self.runs["epoch"], self.runs["planned_epochs"], strict=True)
        ]
        for column in [*self.varied, *([self.metric] if self.metric else [])]:
            shown[column] = [short(value) for value in self.runs[column]]
        return shown

    def __str__(self) -> str:
        lines = [self.headline, *filter(None, [self.closing]), self.best_so_far]
        if len(self.runs):
            lines.append(self.table().to_string(index=False))
        return "\n".join(lines)


def look(path: str, api: "wandb.Api | None" = None) -> Snapshot:
    """Return a snapshot of a sweep and its runs (the first 1,000).

    Args:
        path: the sweep, `entity/project/ID`.
        api: the client to use; a new one costs another query, to check its key.

    Raises:
        WorkshopError: the path is incomplete, there is no such sweep, or the server does not
            answer.
    """
    import pandas as pd
    import wandb

    from workshop.define.parameter_values import column
    from workshop.define.search_space import columns, scales

    split(path)
    try:
        api = api or wandb.Api()
        asked = _named.get(path, METRICS[-1])
        found = _ask(api, path, asked)
        metric = Metric.of(found.config)
        if metric and metric.name != asked:
            _named[path] = metric.name
            found = _ask(api, path, metric.name)
    except client_errors() as error:
        raise WorkshopError(
            f"sweep {path!r} could not be read ({error}): give entity/project/ID as "
            "`wandb sweep` printed it, or try again in a minute"
        ) from None
    nodes = [edge["node"] for edge in found.seen["edges"]]
    own = scales(found.config)
    names = columns(own, found.config)
    varied = {names[name]: scale for name, scale in own.items()}
    numbers = dict.fromkeys(["epoch", "planned_epochs", *([metric.name] if metric else [])])
    rows = [_row(node, names, metric) for node in sorted(nodes, key=lambda node: node["createdAt"])]
    runs = pd.DataFrame(rows, columns=["run", "name", "state", *varied, *numbers])
    for name, scale in varied.items():
        runs[name] = column([row[name] for row in rows], scale)
    for name in numbers:
        runs[name] = pd.to_numeric(runs[name], errors="coerce").astype(float)
    return Snapshot(
        state=found.state.upper(),
        expected=found.expected_run_count,
        metric=metric and metric.name,
        goal=metric.goal if metric else "minimize",
        varied=list(varied),
        handed_out=found.runCount if len(rows) == _MOST_RUNS else len(rows),
        runs=runs,
        goals="" if metric else ", ".join(goal.name for goal in Metric.goals_of(found.config)),
    )


def _ask(api: "wandb.Api", path: str, metric: str) -> "wandb.apis.public.Sweep":
    """Query a sweep, its runs, and the values that they have logged for a metric."""
    specs = [history_spec(metric)]
    found = ask_for_sweep(api, split(path), _QUERY, first=_MOST_RUNS, specs=specs)
    if found is None:
        raise ValueError("the server has no such sweep")
    return found


def _row(node: Mapping, columns: Mapping[str, str], metric: Metric | None) -> dict[str, Any]:
    config = {key: entry["value"] for key, entry in json.loads(node["config"] or "{}").items()}
    summary = json.loads(node["summaryMetrics"] or "{}")
    row = {column: _inner(config, name) for name, column in columns.items()}
    row |= {"run": node["name"], "name": node["displayName"], "state": node["state"]}
    row |= {"epoch": summary.get("Epoch"), "planned_epochs": config.get("num_epochs")}
    if metric:
        row[metric.name] = metric.value(summary, values_in(node, metric.name))
    return row


def _inner(config: Any, name: str) -> Any:
    """Return the value of a name such as `outer.inner`; NaN if there is none."""
    for key in name.split("."):
        config = config.get(key, math.nan) if isinstance(config, Mapping) else math.nan
    return config


def _epoch(done: float, planned: float) -> str:
    """Return text such as `3 of 10`; 0 before the first epoch, a dash if unknown."""
    if planned != planned:  # NaN
        return "-" if done != done else f"{done:.0f}"
    return f"{0 if done != done else done:.0f} of {planned:.0f}"


def short(value: Any) -> str:
    """Return a value with at most four digits for a table's cell; a missing one is a dash.

    A null that the sweep lists isn't a missing value.
    """
    from workshop.analyze.plots.style import value_text

    if value != value:  # NaN
        return "-"
    return value_text(value)
