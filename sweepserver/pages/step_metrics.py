"""The step metrics that a run chose with `run.define_metric(step_metric=…)`.

The client keeps the definitions in its own part of the run's config, as a list of messages whose
fields have numbers: `MetricRecord` in its `wandb_internal.proto`.
"""

import json

from sweepserver.search.values import lookup

MOST_DEFINED = 1000  # metrics; each name of each row is compared with them
NAME, GLOB, STEP_NAME, STEP_INDEX = "1", "2", "4", "5"


class StepMetrics:
    """The step metrics that a run has defined.

    Args:
        config: The run's config, as the client sends it.
    """

    def __init__(self, config: str):
        found = lookup(json.loads(config).get("_wandb"), "value.m")
        found = found[:MOST_DEFINED] if isinstance(found, list) else []
        records = [one for one in found if isinstance(one, dict)]
        names = [plain(record.get(NAME)) for record in records]
        steps = [step_of(record, names) for record in records]
        self._named = dict(zip(names, steps, strict=True))
        # A name that ends in * stands for all that begin so; the longest beginning counts.
        globs = [
            (record[GLOB].removesuffix("*"), step)
            for record, step in zip(records, steps, strict=True)
            if isinstance(record.get(GLOB), str)
        ]
        self._globs = sorted(globs, key=lambda glob: -len(glob[0]))

    def of(self, metric: str) -> str | None:
        """Return the step metric of a metric, None if it goes by W&B's own step."""
        if metric in self._named:
            return self._named[metric]
        return next((step for start, step in self._globs if metric.startswith(start)), None)


def plain(name: object) -> str | None:
    r"""Return a metric's name as rows have it: the client writes `\\.` for a dot in a name."""
    return name.replace("\\.", ".") if isinstance(name, str) else None


def step_of(record: dict, names: list[str | None]) -> str | None:
    """Return the step metric that a definition names, or points to by its place in the list."""
    place = record.get(STEP_INDEX)
    if isinstance(place, int) and 1 <= place <= len(names):
        return names[place - 1]
    return plain(record.get(STEP_NAME))
