"""Select records by MongoDB's filters, as W&B's public API sends them.

A filter is checked as a whole before it is used.  A filter that is only partly understood would
select the wrong records, and clients often delete what they select.

https://www.mongodb.com/docs/manual/reference/operator/query and the docstring of `wandb.Api.runs`
say what the language means; `facts` says which keys there are.  Conditions are tried in Python,
record by record.
"""

import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from sweepserver.errors import RequestError
from sweepserver.search.values import closest, shorten
from sweepserver.store import patterns
from sweepserver.values import check_path, snake_case

MOST_LEVELS = 50
"""How many conditions may stand inside each other."""
MOST_CHARACTERS = 500_000
"""Characters of a filter; the client names thousands of runs in one."""

Test = Callable[[Any], bool]
Compare = Callable[[Any, Any], bool]
# A record as a filter sees it; what it has is for the fields to know.
Facts = TypeVar("Facts")


class Plain:
    """Values that are compared with the filter's as they are."""

    def equal(self, wanted: object) -> Test:
        """Return the test whether a value is the wanted one."""
        return lambda value: equal(value, wanted)

    def compared(self, compare: Compare, wanted: object) -> Test:
        """Return the test whether a value and the wanted one, two numbers or texts, compare so."""
        if isinstance(wanted, str):
            return lambda value: isinstance(value, str) and compare(value, wanted)
        if isinstance(wanted, (int, float)):
            return lambda value: isinstance(value, (int, float)) and compare(value, wanted)
        raise RequestError(
            f"The filter compares with {shorten(wanted)}, but only numbers and text can be ordered."
        )

    def matching(self, pattern: object) -> Test:
        """Return the test whether a regular expression is found in a text."""
        search = patterns.search(pattern)
        return lambda value: isinstance(value, str) and search(value)


class Times(Plain):
    """Seconds since 1970, which are compared with times.

    The API tells times in whole seconds.  What is compared with a whole second is therefore
    cut to whole seconds itself: a run is not made later than its own `created_at`.
    """

    def equal(self, wanted: object) -> Test:
        """Return the test whether a time is the wanted one, or there is none if null is wanted."""
        if wanted is None:
            return lambda value: value is None
        return self.compared(operator.eq, wanted)

    def compared(self, compare: Compare, wanted: object) -> Test:
        """Return the test whether a time and the wanted one compare so."""
        moment = seconds(wanted)
        cut = math.floor if moment == math.floor(moment) else float
        return lambda value: value is not None and compare(cut(value), moment)

    def matching(self, pattern: object) -> Test:
        """Refuse: a time isn't text."""
        raise RequestError(
            f"The filter looks for {shorten(pattern)} in a time, which isn't text: compare it with "
            "a time, such as {'$gte': '2026-01-31T12:00:00Z'}."
        )


PLAIN, TIMES = Plain(), Times()


@dataclass(frozen=True)
class Field:
    """What a key of a filter or an order asks of a record.

    Attributes:
        read: Returns its value from the facts of a record, None if there is none.
        columns: What of the record that needs.
        kind: How its values are compared.
    """

    read: Callable[[Any], object]
    columns: tuple[str, ...] = ()
    kind: Plain = PLAIN


@dataclass(frozen=True)
class Fields:
    """The keys by which records of one kind are selected and sorted.

    Attributes:
        records: What the records are, in the plural.
        named: The fields by their names, in snake case; a key may be in camel case.
        sections: By the name of a section, what makes the field of a key such as `config.lr`.
        meant: The right key by those that are often taken for it.
    """

    records: str
    named: Mapping[str, Field]
    sections: Mapping[str, Callable[[str], Field]] = field(default_factory=dict)
    meant: Mapping[str, str] = field(default_factory=dict)
    _known: Callable[[str], Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # A list of a thousand runs asks for the same keys a thousand times.
        object.__setattr__(self, "_known", lru_cache(maxsize=1000)(self._find))

    def find(self, key: str) -> Field:
        """Return the field of a key.

        Raises:
            RequestError: There is none.
        """
        check_path(key, "The key")
        return self._known(key)

    def _find(self, key: str) -> Field:
        section, dot, rest = key.partition(".")
        if dot and (make := self.sections.get(snake_case(section))):
            return make(rest)
        if found := self.named.get(snake_case(key)):
            return found
        known = [*self.named, *(f"{section}.KEY" for section in self.sections)]
        meant = self.meant.get(snake_case(key))
        hint = f" (did you mean {meant!r}?)" if meant else closest(snake_case(key), known)
        raise RequestError(
            f"{self.records} cannot be selected or sorted by {shorten(key)}{hint}; "
            f"there are {', '.join(known)}."
        )


class Filter:
    """A condition for records of one kind.

    Args:
        text: The condition in JSON; nothing selects all.
        fields: The keys that may stand in it.

    Attributes:
        condition: What the text says.
        columns: What of a record is looked at.
        holds: The test whether the condition holds for a record.

    Raises:
        RequestError: Something in the condition is not known or not served.
    """

    def __init__(self, text: str | None, fields: Fields):
        if text and len(text) > MOST_CHARACTERS:
            raise RequestError(
                f"The filter has {len(text):,} characters; use at most {MOST_CHARACTERS:,}, and "
                "ask for fewer records at a time."
            )
        try:
            self.condition = json.loads(text or "{}") or {}
        except (ValueError, RecursionError) as error:
            raise RequestError(f"The filter {shorten(text)} isn't valid JSON: {error}.") from error
        self.columns: set[str] = set()
        self.holds = self._compiled(self.condition, fields, 0)

    def select(self, found: Iterable[Facts]) -> list[Facts]:
        """Return the records that the condition holds for."""
        return list(filter(self.holds, found))

    def _compiled(self, condition: object, fields: Fields, depth: int) -> Test:
        if not isinstance(condition, dict):
            raise RequestError(f"A filter must be a JSON object, not {shorten(condition)}.")
        if depth > MOST_LEVELS:
            raise RequestError(f"The filter is nested more than {MOST_LEVELS} levels deep.")
        tests = []
        for key, wanted in condition.items():
            if key in GROUPS:
                parts = [self._compiled(part, fields, depth + 1) for part in parts_of(wanted)]
                tests.append(GROUPS[key](parts))
            elif key.startswith("$"):
                raise unknown_operator(key, GROUPS)
            else:
                asked = fields.find(key)
                self.columns.update(asked.columns)
                tests.append(reading(asked, wanted, depth))
        return every(tests)


def reading(asked: Field, wanted: object, depth: int) -> Test:
    """Return the test of a record whether one of its fields is as wanted."""
    read, passes = asked.read, test_of(asked.kind, wanted, depth)
    return lambda facts: passes(read(facts))


def test_of(kind: Plain, wanted: object, depth: int) -> Test:
    """Return the test whether a value is the wanted one, or passes the wanted operators."""
    if not isinstance(wanted, dict) or not any(key.startswith("$") for key in wanted):
        return kind.equal(wanted)
    if depth > MOST_LEVELS:
        raise RequestError(f"The filter is nested more than {MOST_LEVELS} levels deep.")
    tests = []
    for name, operand in wanted.items():
        if name == "$not":
            tests.append(none([test_of(kind, operand, depth + 1)]))
        elif name in OPERATORS:
            tests.append(OPERATORS[name](kind, operand))
        else:
            raise unknown_operator(name, (*OPERATORS, "$not"))
    return every(tests)


def unknown_operator(name: str, known: Iterable[str]) -> RequestError:
    """Return the error that an operator is not served here."""
    known = tuple(known)
    return RequestError(
        f"The filter operator {shorten(name)} is not served here{closest(name, known)}; "
        f"there are {', '.join(known)}."
    )


def parts_of(wanted: object) -> list:
    """Return the conditions of a group, which may be a single one."""
    return wanted if isinstance(wanted, list) else [wanted]


def every(tests: list[Test]) -> Test:
    """Return the test that holds if all of some do."""
    return lambda value: all(test(value) for test in tests)


def some(tests: list[Test]) -> Test:
    """Return the test that holds if one of some does."""
    return lambda value: any(test(value) for test in tests)


def none(tests: list[Test]) -> Test:
    """Return the test that holds if none of some does."""
    return lambda value: not any(test(value) for test in tests)


def equal(value: object, wanted: object) -> bool:
    """Compare as MongoDB does: a list has the wanted value if one of its items is that."""
    if isinstance(value, list) and not isinstance(wanted, list):
        return any(equal(item, wanted) for item in value)
    if isinstance(value, bool) != isinstance(wanted, bool):
        return False
    return value == wanted or (isinstance(value, list) and wanted in value)


def comparing(compare: Compare) -> Callable[[Plain, object], Test]:
    """Return the operator that compares so."""
    return lambda kind, wanted: kind.compared(compare, wanted)


def among(kind: Plain, wanted: object) -> Test:
    """Return the test whether a value equals one of a list."""
    if not isinstance(wanted, list):
        raise RequestError(f"The filter operators $in and $nin need a list, not {shorten(wanted)}.")
    return some([kind.equal(item) for item in wanted])


def exists(kind: Plain, wanted: object) -> Test:
    """Return the test whether a value exists, or doesn't."""
    if not isinstance(wanted, (bool, int, float)):
        raise RequestError(
            f"The filter operator $exists needs true or false, not {shorten(wanted)}."
        )
    return lambda value: (value is not None) == bool(wanted)


GROUPS: dict[str, Callable[[list[Test]], Test]] = {
    "$and": every,
    "$or": some,
    "$nor": none,
    "$not": none,
}
OPERATORS: dict[str, Callable[[Plain, object], Test]] = {
    "$eq": lambda kind, wanted: kind.equal(wanted),
    "$ne": lambda kind, wanted: none([kind.equal(wanted)]),
    "$gt": comparing(operator.gt),
    "$gte": comparing(operator.ge),
    "$lt": comparing(operator.lt),
    "$lte": comparing(operator.le),
    "$in": among,
    "$nin": lambda kind, wanted: none([among(kind, wanted)]),
    "$exists": exists,
    "$regex": lambda kind, wanted: kind.matching(wanted),
}


def seconds(moment: object) -> float:
    """Return a time, an ISO 8601 text or a number of seconds, as seconds since 1970.

    A text without a time zone is UTC, as are the times that the API tells.

    Raises:
        RequestError: It is not a time.
    """
    try:
        if isinstance(moment, str):
            read = datetime.fromisoformat(moment.strip())
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        if isinstance(moment, (int, float)) and not isinstance(moment, bool):
            return datetime.fromtimestamp(moment, UTC).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    raise RequestError(
        f"{shorten(moment)} isn't a time: write it as '2026-01-31T12:00:00Z', or in seconds since "
        "1970."
    )


def narrowed(condition: dict) -> dict[str, list]:
    """Return the sweeps and run IDs to which a condition is restricted.

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
