"""The numbered lines of a run: its history, system events and console.

Lines are kept by the number that the client gave them, so that a repeated post changes nothing.
A history row is the client's own JSON text.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from sweepserver.errors import RequestError
from sweepserver.inputs import LARGEST_INT64, SMALLEST_INT64
from sweepserver.search.metric import Metric
from sweepserver.search.values import number
from sweepserver.store.database import Store
from sweepserver.store.records import Run

Item = TypeVar("Item")
# A key that an even sample would leave with fewer points is rare.
FEW_POINTS = 100
MOST_RARE_KEYS = 20
# W&B asks for fewer than 10,000 metrics (https://docs.wandb.ai/models/track/limits); every look at
# a run costs with their number.
MOST_KEYS = 10_000  # of a row, and of a run
LEFT_OUT = "_left_out"  # the key of how many keys were too many; those of W&B begin with _ as well
MOST_REREAD_ROWS, ROWS_DELETED_AT_ONCE = 100_000, 20_000  # within one transaction
MOST_REREAD_CHARACTERS = 16 * 2**20  # of the rows that are reread


def forget(store: Store, run: Run, after_step: float | None = None) -> Run:
    """Delete what a run has logged, all or after a step; return the updated run.

    The client then numbers history rows on from those that are left, and all other lines from 0.

    Args:
        store: Where it is; inside `writing`.
        run: The run.
        after_step: The last step that stays; None deletes everything.

    Raises:
        RequestError: With a step, the history is too long, see `check_rereadable`.
    """
    if after_step is not None:
        check_rereadable(store, run)
    store.execute(
        "DELETE FROM history WHERE run_id = ?1 AND line >= "
        "(SELECT min(line) FROM history WHERE run_id = ?1 AND step > ?2)",
        run.id,
        -math.inf if after_step is None else after_step,
    )
    for table in ("events", "console"):
        store.execute(f"DELETE FROM {table} WHERE run_id = ?", run.id)  # noqa: S608
    return derive(store, run)


def delete_in_parts(store: Store, run: Run) -> None:
    """Delete all lines of a run in several transactions, so that others can write."""
    for table in ("history", "events", "console"):
        deleted = ROWS_DELETED_AT_ONCE
        while deleted == ROWS_DELETED_AT_ONCE:
            with store.writing():
                deleted = store.execute(
                    f"DELETE FROM {table} WHERE run_id = ?1 AND line IN "  # noqa: S608
                    f"(SELECT line FROM {table} WHERE run_id = ?1 LIMIT ?2)",
                    run.id,
                    ROWS_DELETED_AT_ONCE,
                ).rowcount


def copy_history(store: Store, source: Run, run: Run, last_step: int) -> Run:
    """Copy another run's history to a new run; return the updated run.

    Args:
        store: Where both are; inside `writing`.
        source: The run whose history is copied.
        run: The new run.
        last_step: The last step that is copied.

    Raises:
        RequestError: The source's history is too long, see `check_rereadable`.
    """
    check_rereadable(store, source)
    store.execute(
        "INSERT INTO history (run_id, line, step, row) "
        "SELECT ?, line, step, row FROM history WHERE run_id = ? AND step <= ?",
        run.id,
        source.id,
        last_step,
    )
    return derive(store, run)


def derive(store: Store, run: Run) -> Run:
    """Recompute what follows from a run's history rows, when it has no other lines."""
    known: dict = {}
    ends: dict = {}
    summary: dict = {}
    last_line = last_step = -1
    for line, text in stream_rows(store, "history", run):
        row = json.loads(text)
        values = values_by_key([row])
        known, ends = count_keys(known, values), widen(ends, values)
        summary |= row
        last_line, last_step = line, max(last_step, step_of(row, line))
    return store.change(
        run,
        history_lines=last_line + 1,
        events_lines=0,
        log_lines=0,
        last_step=last_step,
        history_keys=json.dumps(known),
        extremes=json.dumps(ends),
        summary=json.dumps(summary),
        system_metrics="{}",
    )


def check_rereadable(store: Store, run: Run) -> None:
    """Raise a RequestError if a run's history is too long to read while others wait."""
    if run.history_lines > MOST_REREAD_ROWS:
        raise too_long(run, f"{run.history_lines:,} history rows", f"{MOST_REREAD_ROWS:,}")
    left = MOST_REREAD_CHARACTERS
    for (length,) in store.stream("SELECT length(row) FROM history WHERE run_id = ?", run.id):
        left -= length
        if left < 0:
            most = f"{MOST_REREAD_CHARACTERS:,}"
            raise too_long(run, f"a history of more than {most} characters", most)


def too_long(run: Run, what: str, most: str) -> RequestError:
    """Return the error for a history that is too long to read while others wait."""
    return RequestError(
        f"The run {run.name} has {what}; this server forks and rewinds runs with {most} at most: "
        "resume the run, or start a new one."
    )


# Of a run: the rows with ?2 <= step < ?3.
BETWEEN_STEPS = "FROM history WHERE run_id = ?1 AND step >= ?2 AND step < ?3"


def read_history(
    store: Store, run: Run, first_step: int | None = None, end_step: int | None = None
) -> Iterator[tuple[int, str]]:
    """Yield (line number, row) of the history from one step to before another, by steps.

    Args:
        store: Where it is.
        run: The run.
        first_step: The first step; None for the run's first.
        end_step: The step before which to end; None for the run's end.
    """
    statement = f"SELECT line, row {BETWEEN_STEPS} ORDER BY step, line"
    return store.stream(statement, run.id, *steps(first_step, end_step))


def count_history(
    store: Store, run: Run, first_step: int | None = None, end_step: int | None = None
) -> int:
    """Return how many rows `read_history` yields."""
    statement = f"SELECT count(*) {BETWEEN_STEPS}"
    (number,) = store.execute(statement, run.id, *steps(first_step, end_step)).fetchone()
    return number


def steps(first: int | None, end: int | None) -> tuple[int, int]:
    """Return two steps, of which None is the smallest or the largest."""
    return (
        SMALLEST_INT64 if first is None else first,
        LARGEST_INT64 if end is None else min(end, LARGEST_INT64),
    )


def history_rows(store: Store, run: Run, numbers: Sequence[int]) -> Iterator[str]:
    """Yield the history rows that have these line numbers, in their order."""
    for line in numbers:
        yield from store.execute(
            "SELECT row FROM history WHERE run_id = ? AND line = ?", run.id, line
        ).fetchone()


SELECT_ROWS = "SELECT line, row FROM {} WHERE run_id = ? AND line >= ? ORDER BY line LIMIT ?"


def sample_history(store: Store, run: Run, count: int) -> list[tuple[int, str]]:
    """Return (line number, row) of about `count` history rows: evenly spaced, and the last one.

    Rows with a number that few rows have, such as one that is logged once per epoch among many
    steps, come in addition, or an even choice would miss most of them.
    """
    distance = max(1, -(-run.history_lines // count))
    condition = "line % ? = 0 OR line = ?"
    values: list[int | str] = [distance, run.history_lines - 1]
    if distance > 1:
        for key in rare_keys(json.loads(run.history_keys), FEW_POINTS * distance)[:MOST_RARE_KEYS]:
            condition += " OR instr(row, ?)"
            values.append(json.dumps(key.rsplit(".", 1)[-1], ensure_ascii=False))
    return [
        tuple(row)
        for row in store.execute(
            f"SELECT line, row FROM history WHERE run_id = ? AND ({condition}) ORDER BY line",  # noqa: S608
            run.id,
            *values,
        )
    ]


def rare_keys(known: dict, limit: int) -> list[str]:
    """Return the keys of which fewer than `limit` numbers were logged; see `count_keys`."""
    numbers = {
        key: sum(kind["count"] for kind in facts["typeCounts"] if kind["type"] == "number")
        for key, facts in known.items()
    }
    return [key for key, count in numbers.items() if 0 < count < limit]


def read_rows(store: Store, table: str, run: Run, first: int = 0, count: int = -1) -> list[tuple]:
    """Return (line number, text) of a table's lines from number `first` on.

    Args:
        store: Where they are.
        table: `history`, `events` or `console`.
        run: The run.
        first: The first line number.
        count: How many lines at most; -1 for all.
    """
    rows = store.execute(SELECT_ROWS.format(table), run.id, first, count)
    return [tuple(row) for row in rows]


def stream_rows(store: Store, table: str, run: Run, first: int = 0) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of a table's lines from number `first` on."""
    return store.stream(SELECT_ROWS.format(table), run.id, first, -1)


def read_console(store: Store, run: Run, first: int, width: int) -> list[tuple]:
    """Return (line number, beginning) of the console lines from number `first` on.

    Args:
        store: Where they are.
        run: The run.
        first: The first line number.
        width: How many characters of each line.
    """
    rows = store.execute(
        "SELECT line, substr(row, 1, ?) FROM console WHERE run_id = ? AND line >= ? ORDER BY line",
        width,
        run.id,
        first,
    )
    return [tuple(row) for row in rows]


def sample_rows(store: Store, table: str, run: Run, count: int) -> Iterator[str]:
    """Yield at most `count` lines of a table, evenly spaced, the first and the last among them."""
    (total,) = store.execute(
        f"SELECT count(*) FROM {table} WHERE run_id = ?",  # noqa: S608
        run.id,
    ).fetchone()
    return (text for _, text in evenly_of(stream_rows(store, table, run), total, count))


def step_of(row: dict, line: int) -> int:
    """Return a history row's step; its line number if it has none."""
    step = row.get("_step")
    return step if isinstance(step, int) and abs(step) <= LARGEST_INT64 else line


def values_by_key(rows: Iterable[dict]) -> dict[str, list]:
    """Return what rows hold by key, in the order of rows; keys of dictionaries are dotted."""
    found: dict[str, list] = {}
    for row in rows:
        for key, value in flat(row):
            found.setdefault(key, []).append(value)
    return found


def count_keys(known: dict, values: dict[str, list]) -> dict:
    """Add what rows hold to what is known of a run's keys, in the form in which W&B tells it.

    Args:
        known: {key: {"typeCounts": [{"type": …, "count": …}], "previousValue": …}}; only numbers
            and short texts are remembered.
        values: What `values_by_key` returned for the rows to add.

    Returns:
        `known`, changed.
    """
    for key, column in values.items():
        if key not in known and len(known) >= MOST_KEYS:
            known.setdefault(LEFT_OUT, {"typeCounts": []})
            continue
        counts = known.setdefault(key, {"typeCounts": []})["typeCounts"]
        kinds = [kind_of(value) for value in column]
        for kind, more in Counter(kinds).items():
            for count in counts:
                if count["type"] == kind:
                    count["count"] += more
                    break
            else:
                counts.append({"type": kind, "count": more})
        for kind, value in zip(reversed(kinds), reversed(column), strict=True):
            if kind == "number" or (kind == "string" and len(value) <= 100):
                known[key]["previousValue"] = value
                break
    return known


def widen(known: dict, values: dict[str, list]) -> dict:
    """Add what rows hold to the smallest and the largest finite number of each key.

    Args:
        known: {key: [smallest, largest]}.
        values: What `values_by_key` returned for the rows to add.

    Returns:
        `known`, changed.
    """
    for key, column in values.items():
        finite = [value for value in column if number(value) is not None]
        if finite and (key in known or len(known) < MOST_KEYS):
            ends = [*known.get(key, ()), min(finite), max(finite)]
            known[key] = [min(ends), max(ends)]
    return known


def value_of(metric: Metric, summary: str, extremes: str) -> float | None:
    """Return a run's value of a metric from those of its columns that have these names."""
    return metric.value(json.loads(summary), json.loads(extremes).get(metric.name, ()))


def flat(row: dict, prefix: str = "") -> Iterable[tuple[str, object]]:
    """Yield (dotted key, value) of a row; media, which have a `_type`, are values."""
    for key, value in row.items():
        if isinstance(value, dict) and value and "_type" not in value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def kind_of(value: object) -> str:
    """Return a value's type as W&B names it."""
    return KINDS[type(value)] if not isinstance(value, dict) else str(value.get("_type", "map"))


KINDS = {
    int: "number",
    float: "number",
    str: "string",
    bool: "bool",
    type(None): "nil",
    list: "list",
}


def evenly(rows: Sequence[Item], count: int | None) -> Sequence[Item]:
    """Return at most `count` rows, evenly spaced, the first and the last among them."""
    if count is None or len(rows) <= count:
        return rows
    return [rows[place] for place in even_places(len(rows), count)]


def evenly_of(rows: Iterable[Item], total: int, count: int) -> Iterator[Item]:
    """Yield what `evenly` returns of `total` rows, which are looked at one after the other."""
    wanted = iter(range(total) if total <= count else even_places(total, count))
    following = next(wanted, None)
    for place, row in enumerate(rows):
        if following is None:
            return
        if place == following:
            yield row
            following = next(wanted, None)


def even_places(total: int, count: int) -> list[int]:
    """Return `count` of the numbers below `total`, which is more, evenly spaced."""
    if count <= 1:
        return [total - 1] if count == 1 else []
    return [i * (total - 1) // (count - 1) for i in range(count)]
