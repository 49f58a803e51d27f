"""Selecting and sorting runs as W&B's public API asks: MongoDB's filters, keys with + and -.

At the size of a class it is fast enough to look at every run of a project in Python; a run's
config and summary are parsed only if the filter or the order names them.
"""

import json
import re
from collections.abc import Callable
from functools import cached_property

from workshop.server.errors import RequestError
from workshop.server.records import Run
from workshop.server.values import lookup, shorten, timestamp, unwrap

COLUMNS: dict[str, Callable[["Facts"], object]] = {
    "name": lambda facts: facts.run.name,
    "display_name": lambda facts: facts.run.display_name,
    "state": lambda facts: facts.run.state,
    "sweep": lambda facts: facts.sweep,
    "user": lambda facts: facts.run.user,
    "username": lambda facts: facts.run.user,
    "tags": lambda facts: json.loads(facts.run.tags),
    "group": lambda facts: facts.run.run_group,
    "job_type": lambda facts: facts.run.job_type,
    "host": lambda facts: facts.run.host,
    "notes": lambda facts: facts.run.notes,
    "description": lambda facts: facts.run.description,
    "commit": lambda facts: facts.run.git_commit,
    "created_at": lambda facts: timestamp(facts.run.created_at),
    "heartbeat_at": lambda facts: timestamp(facts.run.heartbeat_at),
    "duration": lambda facts: facts.run.heartbeat_at - facts.run.created_at,
}


class Facts:
    """What a filter or an order can ask of one run.

    Args:
        run: The run.
        sweep: The ID of its sweep, if it has one.
    """

    def __init__(self, run: Run, sweep: str | None):
        self.run = run
        self.sweep = sweep

    @cached_property
    def config(self) -> dict:
        """The run's config as the user knows it."""
        return unwrap(json.loads(self.run.config))

    @cached_property
    def summary(self) -> dict:
        """The run's summary."""
        return json.loads(self.run.summary)

    def get(self, key: str) -> object:
        """Return the value of a key such as `state`, `config.lr` or `summary_metrics.loss`."""
        section, _, rest = key.partition(".")
        if section == "config" and rest:
            first, _, tail = rest.partition(".")
            if tail == "value" or tail.startswith("value."):
                rest = first + tail.removeprefix("value")
            else:
                rest = rest.removesuffix(".value")
            return lookup(self.config, rest)
        if section in ("summary_metrics", "summary", "summaryMetrics") and rest:
            return lookup(self.summary, rest)
        if section == "tags" and rest:
            return rest in json.loads(self.run.tags)
        column = COLUMNS.get(re.sub(r"(?<=[a-z])[A-Z]", lambda m: "_" + m[0].lower(), key))
        return column(self) if column else None


def select(runs: list[Facts], condition: object) -> list[Facts]:
    """Return the runs that a MongoDB-style condition holds for.

    Raises:
        RequestError: The condition uses an operator that is not known.
    """
    return [facts for facts in runs if holds(condition, facts)] if condition else runs


def holds(condition: object, facts: Facts) -> bool:
    """Tell whether a condition holds for a run."""
    if not isinstance(condition, dict):
        raise RequestError(f"A filter must be a JSON object, not {shorten(condition)}.")
    for key, wanted in condition.items():
        if key in GROUPS:
            parts = wanted if isinstance(wanted, list) else [wanted]
            if not GROUPS[key](holds(part, facts) for part in parts):
                return False
        elif key.startswith("$"):
            raise RequestError(f"The filter operator {key} is not known.")
        elif not agrees(facts.get(key), wanted):
            return False
    return True


def agrees(value: object, wanted: object) -> bool:
    """Tell whether a value is the wanted one, or passes the wanted operators."""
    if not isinstance(wanted, dict) or not any(key.startswith("$") for key in wanted):
        return equal(value, wanted)
    for operator, operand in wanted.items():
        if operator == "$not":
            passed = not agrees(value, operand)
        elif operator in OPERATORS:
            passed = OPERATORS[operator](value, operand)
        else:
            raise RequestError(f"The filter operator {operator} is not known.")
        if not passed:
            return False
    return True


def equal(value: object, wanted: object) -> bool:
    """Compare as MongoDB does: a list has the wanted value if one of its items is that."""
    if isinstance(value, bool) != isinstance(wanted, bool):
        return False
    return value == wanted or (isinstance(value, list) and wanted in value)


def comparing(compare: Callable[[object, object], bool]) -> Callable[[object, object], bool]:
    """Return an operator that is true for two numbers or two texts that compare so."""

    def operator(value: object, wanted: object) -> bool:
        numbers = isinstance(value, (int, float)) and isinstance(wanted, (int, float))
        texts = isinstance(value, str) and isinstance(wanted, str)
        return (numbers or texts) and compare(value, wanted)

    return operator


def among(value: object, wanted: object) -> bool:
    """Tell whether a value equals one of a list."""
    if not isinstance(wanted, list):
        raise RequestError(f"The filter operators $in and $nin need a list, not {wanted!r}.")
    return any(equal(value, item) for item in wanted)


def like(value: object, wanted: object) -> bool:
    """Tell whether a regular expression is found in a text."""
    try:
        return isinstance(value, str) and re.search(str(wanted), value) is not None
    except re.error as error:
        raise RequestError(f"{wanted!r} is no regular expression: {error}.") from error


GROUPS = {
    "$and": all,
    "$or": any,
    "$nor": lambda results: not any(results),
    "$not": lambda results: not any(results),
}
OPERATORS = {
    "$eq": equal,
    "$ne": lambda value, wanted: not equal(value, wanted),
    "$gt": comparing(lambda a, b: a > b),
    "$gte": comparing(lambda a, b: a >= b),
    "$lt": comparing(lambda a, b: a < b),
    "$lte": comparing(lambda a, b: a <= b),
    "$in": among,
    "$nin": lambda value, wanted: not among(value, wanted),
    "$exists": lambda value, wanted: (value is not None) == bool(wanted),
    "$regex": like,
}


def ordered(runs: list[Facts], order: str | None) -> list[Facts]:
    """Return the runs sorted by keys such as `-summary_metrics.loss,+created_at`.

    Runs that lack the key, or have NaN there, come last whichever way the order goes; equal runs
    keep their order.
    """
    for key in reversed([part.strip() for part in (order or "").split(",") if part.strip()]):
        pairs = [(rank(facts.get(key.lstrip("+-"))), facts) for facts in runs]
        ranked = [pair for pair in pairs if pair[0] is not None]
        ranked.sort(key=lambda pair: pair[0], reverse=key.startswith("-"))
        runs = [facts for _, facts in ranked] + [facts for found, facts in pairs if found is None]
    return runs


def rank(value: object) -> tuple | None:
    """Return what a value is sorted by: numbers before texts; None if it cannot be sorted."""
    if isinstance(value, (int, float)):
        is_nan = value != value  # `math.isnan` fails for whole numbers that no float can hold
        return None if is_nan else (0, value, "")
    return (1, 0, value) if isinstance(value, str) else None
