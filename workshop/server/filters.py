"""Selecting and sorting runs as W&B's public API asks: MongoDB's filters, keys with + and -.

Conditions are tried in Python, run by run.  What keeps that fast are `columns`, which tells what
of the runs has to be read, and `narrowed`, which lets the database leave most runs out when a
condition names a sweep or some run IDs; a run's config and summary are parsed only if needed.
"""

import json
import math
import re
from collections.abc import Callable
from functools import cached_property, lru_cache

from workshop.server.errors import RequestError
from workshop.server.records import Run
from workshop.server.values import lookup, shorten, snake_case, timestamp, unwrap

BY_CREATION = (None, "", "created_at", "+created_at", "createdAt", "+createdAt")
DEEPEST = 50  # of conditions inside conditions

# What a key without a section asks of a run, and the columns which that needs.
PLAIN: dict[str, tuple[Callable[["Facts"], object], tuple[str, ...]]] = {
    "name": (lambda facts: facts.run.name, ("name",)),
    "display_name": (lambda facts: facts.run.display_name, ("display_name",)),
    "state": (lambda facts: facts.run.state, ("state",)),
    "sweep": (lambda facts: facts.sweep, ("sweep_id",)),
    "user": (lambda facts: facts.run.user, ("user",)),
    "username": (lambda facts: facts.run.user, ("user",)),
    "tags": (lambda facts: json.loads(facts.run.tags), ("tags",)),
    "group": (lambda facts: facts.run.run_group, ("run_group",)),
    "job_type": (lambda facts: facts.run.job_type, ("job_type",)),
    "host": (lambda facts: facts.run.host, ("host",)),
    "notes": (lambda facts: facts.run.notes, ("notes",)),
    "description": (lambda facts: facts.run.description, ("description",)),
    "commit": (lambda facts: facts.run.git_commit, ("git_commit",)),
    "created_at": (lambda facts: timestamp(facts.run.created_at), ("created_at",)),
    "heartbeat_at": (lambda facts: timestamp(facts.run.heartbeat_at), ("heartbeat_at",)),
    "duration": (
        lambda facts: facts.run.heartbeat_at - facts.run.created_at,
        ("heartbeat_at", "created_at"),
    ),
}


class Facts:
    """What a filter or an order can ask of one run.

    Args:
        run: The run, or those of its columns that `columns` names.
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
        return reader(key)[0](self)


@lru_cache(maxsize=1000)
def reader(key: str) -> tuple[Callable[[Facts], object], tuple[str, ...]]:
    """Return what reads a key's value from the facts of a run, and the columns which that needs."""
    section, _, rest = key.partition(".")
    if section == "config" and rest:
        first, _, tail = rest.partition(".")
        if tail == "value" or tail.startswith("value."):
            rest = first + tail.removeprefix("value")
        else:
            rest = rest.removesuffix(".value")
        return lambda facts: lookup(facts.config, rest), ("config",)
    if section in ("summary_metrics", "summary", "summaryMetrics") and rest:
        return lambda facts: lookup(facts.summary, rest), ("summary",)
    if section == "tags" and rest:
        return lambda facts: rest in json.loads(facts.run.tags), ("tags",)
    return PLAIN.get(snake_case(key), (lambda facts: None, ()))


def parse_condition(text: str | None) -> dict:
    """Return the condition that a filter's JSON text holds.

    Raises:
        RequestError: The text is no JSON object, or nested deeper than anyone would write it.
    """
    try:
        condition = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The filter {shorten(text)} is no JSON: {error}.") from error
    check_condition(condition or {})
    return condition or {}


def check_condition(condition: object, depth: int = 0) -> None:
    """Raise a RequestError unless a condition is an object of keys and groups of conditions."""
    if not isinstance(condition, dict):
        raise RequestError(f"A filter must be a JSON object, not {shorten(condition)}.")
    if depth > DEEPEST:
        raise RequestError(f"The filter has more than {DEEPEST} conditions inside each other.")
    for part in parts_of(condition):
        check_condition(part, depth + 1)


def parts_of(condition: dict) -> list:
    """Return the conditions that stand in the groups of one, such as those of its `$and`."""
    groups = (wanted for key, wanted in condition.items() if key in GROUPS)
    return [
        part for wanted in groups for part in (wanted if isinstance(wanted, list) else [wanted])
    ]


def columns(condition: dict, order: str | None) -> set[str]:
    """Return the columns of a run that a condition and an order look at."""
    keys = [key.lstrip("+-") for key in order_keys(order)]
    conditions = [condition]
    while conditions:
        part = conditions.pop()
        keys += [key for key in part if key not in GROUPS]
        conditions += parts_of(part)
    return {column for key in keys for column in reader(key)[1]}


def narrowed(condition: dict) -> dict[str, list]:
    """Return sweeps and run IDs outside of which a condition cannot hold.

    Returns:
        The values among which those of the keys `sweep` and `name` must be, for those of the two
        that the condition restricts so.
    """
    found = {}
    for key in ("sweep", "name"):
        wanted = condition.get(key)
        values = wanted.get("$in") if isinstance(wanted, dict) else [wanted]
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            found[key] = values
    for part in condition["$and"] if isinstance(condition.get("$and"), list) else ():
        found = narrowed(part) | found
    return found


def select(runs: list[Facts], condition: dict) -> list[Facts]:
    """Return the runs that a condition of `parse_condition` holds for.

    Raises:
        RequestError: The condition uses an operator that is not known.
    """
    return [facts for facts in runs if holds(condition, facts)] if condition else runs


def holds(condition: dict, facts: Facts) -> bool:
    """Tell whether a condition holds for a run."""
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
        raise RequestError(f"The filter operators $in and $nin need a list, not {shorten(wanted)}.")
    return any(equal(value, item) for item in wanted)


def like(value: object, wanted: object) -> bool:
    """Tell whether a regular expression is found in a text."""
    try:
        return isinstance(value, str) and re.search(str(wanted), value) is not None
    except re.error as error:
        raise RequestError(f"{shorten(wanted)} is no regular expression: {error}.") from error


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
    """Return the runs, which come the oldest first, sorted by keys such as `-config.lr,+state`.

    Runs that lack the key, or have NaN there, come last whichever way the order goes; equal runs
    keep their order.
    """
    for key in reversed(order_keys(order)):
        pairs = [(rank(facts.get(key.lstrip("+-"))), facts) for facts in runs]
        ranked = [pair for pair in pairs if pair[0] is not None]
        ranked.sort(key=lambda pair: pair[0], reverse=key.startswith("-"))
        runs = [facts for _, facts in ranked] + [facts for found, facts in pairs if found is None]
    return runs


def order_keys(order: str | None) -> list[str]:
    """Return the keys of an order with their signs; none for the order in which runs are read."""
    if order in BY_CREATION:
        return []
    return [part.strip() for part in order.split(",") if part.strip()]


def rank(value: object) -> tuple | None:
    """Return what a value is sorted by: numbers before texts; None if it cannot be sorted."""
    if isinstance(value, (int, float)):
        is_nan = isinstance(value, float) and math.isnan(value)
        return None if is_nan else (0, value, "")
    return (1, 0, value) if isinstance(value, str) else None
