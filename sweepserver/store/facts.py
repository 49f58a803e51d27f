"""The facts about runs and sweeps that filters, orders and pages ask for."""

import json
from dataclasses import replace
from functools import cached_property
from operator import attrgetter

from sweepserver.search.metric import Metric
from sweepserver.search.values import lookup
from sweepserver.store.filters import PLAIN, TIMES, Field, Fields, Plain
from sweepserver.store.records import Run
from sweepserver.values import unwrap

METRIC_COLUMNS = ("extremes", "sweep_id")
"""What an order by a sweep's metric needs besides the summary."""


class RunFacts:
    """What can be asked of one run; its config and summary are parsed only if needed.

    Args:
        run: The run, or those of its columns that are asked for.
        sweep: The ID of its sweep, if it has one.
        entity: Whose project it is in.
        metric: What its sweep optimizes, for orders.
    """

    def __init__(
        self,
        run: Run,
        sweep: str | None,
        entity: str | None = None,
        metric: Metric | None = None,
    ):
        self.run = run
        self.sweep = sweep
        self.entity = entity
        self._metric = metric

    @cached_property
    def config(self) -> dict:
        """The run's config as the user knows it."""
        return unwrap(json.loads(self.run.config))

    @cached_property
    def summary(self) -> dict:
        """The run's summary."""
        return json.loads(self.run.summary)

    @cached_property
    def history_keys(self) -> dict:
        """What is known of the keys of the run's history, see `history.count_keys`."""
        return json.loads(self.run.history_keys)

    @cached_property
    def _extremes(self) -> dict:
        return json.loads(self.run.extremes)

    @property
    def duration(self) -> float:
        """How many seconds the run took, or has taken so far; 0 if the clock was set back."""
        return max(0, self.run.heartbeat_at - self.run.created_at)

    def value(self, metric: Metric) -> float | None:
        """Return the run's value of a metric."""
        return metric.value(self.summary, self._extremes.get(metric.name, ()))

    def ranked_by(self, path: str) -> object:
        """Return what an order by an item of the summary sorts the run by."""
        if self._metric and self._metric.name == path:
            return self.value(self._metric)
        return lookup(self.summary, path)

    def get(self, key: str) -> object:
        """Return the value of a key such as `state`, `config.lr` or `summary_metrics.loss`."""
        return RUN_FIELDS.find(key).read(self)


def config_field(path: str) -> Field:
    """Return the field of an item of a run's config, with `.value` behind its name or without."""
    first, _, rest = path.partition(".")
    if rest == "value" or rest.startswith("value."):
        path = first + rest.removeprefix("value")
    else:
        path = path.removesuffix(".value")
    return Field(lambda facts: lookup(facts.config, path), ("config",))


def summary_field(path: str) -> Field:
    """Return the field of an item of a run's summary."""
    return Field(lambda facts: lookup(facts.summary, path), ("summary",))


def summary_order(path: str) -> Field:
    """Return the field that sorts runs by an item of their summary.

    So the client asks for the best run of a sweep, which is the one with the best value of the
    sweep's metric.
    """
    return Field(lambda facts: facts.ranked_by(path), ("summary", *METRIC_COLUMNS))


def tag_field(tag: str) -> Field:
    """Return the field that tells whether a run has a tag."""
    return Field(lambda facts: tag in json.loads(facts.run.tags), ("tags",))


def column(name: str, kind: Plain = PLAIN) -> Field:
    """Return the field of a column."""
    return Field(attrgetter(f"run.{name}"), (name,), kind)


RUN_FIELDS = Fields(
    "Runs",
    {
        "name": column("name"),
        "display_name": column("display_name"),
        "state": column("state"),
        "sweep": Field(lambda facts: facts.sweep, ("sweep_id",)),
        "entity": Field(lambda facts: facts.entity, ("project_id",)),
        "user": column("user"),
        "username": column("user"),
        "tags": Field(lambda facts: json.loads(facts.run.tags), ("tags",)),
        "group": column("run_group"),
        "job_type": column("job_type"),
        "host": column("host"),
        "notes": column("notes"),
        "description": column("description"),
        "commit": column("git_commit"),
        "created_at": column("created_at", TIMES),
        "heartbeat_at": column("heartbeat_at", TIMES),
        "duration": Field(attrgetter("duration"), ("heartbeat_at", "created_at")),
    },
    {
        "config": config_field,
        "summary_metrics": summary_field,
        "summary": summary_field,
        "tags": tag_field,
    },
    # What they are called elsewhere in the client.
    {
        "id": "name",
        "run_id": "name",
        "sweep_id": "sweep",
        "sweep_name": "sweep",
        "status": "state",
        "runtime": "duration",
        "summary_metrics": "summary_metrics.KEY",
        "summary": "summary_metrics.KEY",
        "config": "config.KEY",
    },
)


RUN_ORDER = replace(
    RUN_FIELDS,
    sections={**RUN_FIELDS.sections, "summary_metrics": summary_order, "summary": summary_order},
)


SWEEP_FIELDS = Fields(
    "Sweeps",
    {
        "name": Field(attrgetter("name")),
        "state": Field(attrgetter("state")),
        "method": Field(lambda sweep: sweep.settings["method"]),
        "description": Field(attrgetter("description")),
        "display_name": Field(lambda sweep: sweep.display_name or sweep.settings.get("name")),
        "created_at": Field(attrgetter("created_at"), kind=TIMES),
        "updated_at": Field(attrgetter("updated_at"), kind=TIMES),
    },
    {"config": lambda path: Field(lambda sweep: lookup(sweep.settings, path))},
    {"id": "name", "sweep": "name", "status": "state", "config": "config.KEY"},
)
