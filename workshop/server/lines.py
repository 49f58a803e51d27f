"""The numbered lines of a run: its history, system events and console.

Lines are kept by the number that the client gave them, so that a repeated post changes nothing.
A history row is the client's own JSON text.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable

from workshop.server.errors import RequestError
from workshop.server.metric import Metric
from workshop.server.records import Run
from workshop.server.store import Store
from workshop.server.values import number, shorten

# A key that an even sample would leave with fewer points is rare; so many are looked for at most.
FEW = 100
MOST_RARE_KEYS = 20


def write_history(store: Store, run: Run, offset: int, texts: list[str]) -> dict:
    """Keep history rows whose first one has line number `offset`; return what the run changes."""
    rows = [parse_row(text, offset + i, "history") for i, text in enumerate(texts)]
    steps = [step_of(row, offset + i) for i, row in enumerate(rows)]
    numbered = list(zip(range(offset, offset + len(rows)), steps, texts, rows, strict=True))
    if offset >= run.history_lines and min(steps) <= run.last_step:
        numbered = without_known(store, run, numbered)
    store.execute_many(
        "INSERT OR REPLACE INTO history (run_id, line, step, row) VALUES (?, ?, ?, ?)",
        [(run.id, line, step, text) for line, step, text, _ in numbered],
    )
    fresh = values_by_key(row for line, _, _, row in numbered if line >= run.history_lines)
    return {
        "history_lines": max(run.history_lines, offset + len(rows)),
        "last_step": max([run.last_step, *steps]),
        "history_keys": json.dumps(count_keys(json.loads(run.history_keys), fresh)),
        "extremes": json.dumps(widen(json.loads(run.extremes), fresh)),
    }


def without_known(store: Store, run: Run, numbered: list[tuple]) -> list[tuple]:
    """Return those of some new lines whose rows are not there already under another number.

    `wandb sync` of a run that may be resumed sends all its rows behind those that are there.
    """
    first = min(step for _, step, _, _ in numbered)
    kept = map(json.loads, read_history(store, run, first, run.last_step + 1))
    known = {json.dumps(row, sort_keys=True) for row in kept}
    return [line for line in numbered if json.dumps(line[3], sort_keys=True) not in known]


def write_events(store: Store, run: Run, offset: int, texts: list[str]) -> dict:
    """Keep rows of system metrics, and the last one as the run's current system metrics."""
    last = parse_row(texts[-1], offset + len(texts) - 1, "events")
    write_rows(store, "events", run, offset, texts)
    return {
        "events_lines": max(run.events_lines, offset + len(texts)),
        "system_metrics": json.dumps(last),
    }


def write_console(store: Store, run: Run, offset: int, texts: list[str]) -> dict:
    """Keep console lines; the client sends a line again when a progress bar changes it."""
    write_rows(store, "console", run, offset, texts)
    return {"log_lines": max(run.log_lines, offset + len(texts))}


def write_summary(store: Store, run: Run, offset: int, texts: list[str]) -> dict:
    """Replace the summary: each of its lines is a whole one."""
    parse_row(texts[-1], offset, "summary")
    return {"summary": texts[-1]}


# By the name of a file in a post: what keeps its lines and returns the columns that change.
WRITERS = {
    "wandb-history.jsonl": write_history,
    "wandb-events.jsonl": write_events,
    "wandb-summary.json": write_summary,
    "output.log": write_console,
}


def write_rows(store: Store, table: str, run: Run, offset: int, texts: list[str]) -> None:
    """Keep lines of a table that has nothing but the text."""
    store.execute_many(
        f"INSERT OR REPLACE INTO {table} (run_id, line, row) VALUES (?, ?, ?)",  # noqa: S608
        [(run.id, offset + i, text) for i, text in enumerate(texts)],
    )


def forget(store: Store, run: Run, after_step: float | None = None) -> Run:
    """Forget what a run has logged, or what it has logged after a step; return it as it is now.

    The client then numbers history rows on from those that are left, and all other lines from 0.
    """
    store.execute(
        "DELETE FROM history WHERE run_id = ?1 AND line >= "
        "(SELECT min(line) FROM history WHERE run_id = ?1 AND step > ?2)",
        run.id,
        -math.inf if after_step is None else after_step,
    )
    for table in ("events", "console"):
        store.execute(f"DELETE FROM {table} WHERE run_id = ?", run.id)  # noqa: S608
    return derive(store, run)


def copy_history(store: Store, source: Run, run: Run, last_step: int) -> Run:
    """Let a fresh run begin with the history of another one; return it as it is now."""
    store.execute(
        "INSERT INTO history (run_id, line, step, row) "
        "SELECT ?, line, step, row FROM history WHERE run_id = ? AND step <= ?",
        run.id,
        source.id,
        last_step,
    )
    return derive(store, run)


def derive(store: Store, run: Run) -> Run:
    """Tell of a run anew what follows from its history rows, when it has no other lines."""
    numbered = read_rows(store, "history", run)
    rows = [json.loads(text) for _, text in numbered]
    steps = [step_of(row, line) for (line, _), row in zip(numbered, rows, strict=True)]
    summary: dict = {}
    for row in rows:
        summary |= row
    values = values_by_key(rows)
    return store.change(
        run,
        history_lines=numbered[-1][0] + 1 if numbered else 0,
        events_lines=0,
        log_lines=0,
        last_step=max(steps, default=-1),
        history_keys=json.dumps(count_keys({}, values)),
        extremes=json.dumps(widen({}, values)),
        summary=json.dumps(summary),
        system_metrics="{}",
    )


def read_history(
    store: Store, run: Run, first_step: int | None = None, end_step: int | None = None
) -> list[str]:
    """Return the history rows with `first_step` <= step < `end_step`, in the order of steps."""
    return [
        row
        for (row,) in store.execute(
            "SELECT row FROM history WHERE run_id = ? AND step >= ? AND step < ? "
            "ORDER BY step, line",
            run.id,
            -(2**63) if first_step is None else first_step,
            2**63 - 1 if end_step is None else end_step,
        )
    ]


def sample_history(store: Store, run: Run, count: int) -> list[tuple[int, str]]:
    """Return (line number, row) of about `count` history rows: evenly spaced, and the last one.

    Rows with a number that few rows have, such as one that is logged once per epoch among many
    steps, come in addition, or an even choice would miss most of them.
    """
    distance = max(1, -(-run.history_lines // count))
    condition, values = "line % ? = 0 OR line = ?", [distance, run.history_lines - 1]
    if distance > 1:
        for key in rare_keys(json.loads(run.history_keys), FEW * distance)[:MOST_RARE_KEYS]:
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
    """Return (line number, text) of a table's lines from number `first` on."""
    return [
        tuple(row)
        for row in store.execute(
            f"SELECT line, row FROM {table} WHERE run_id = ? AND line >= ? ORDER BY line LIMIT ?",  # noqa: S608
            run.id,
            first,
            count,
        )
    ]


def parse_row(text: object, line: int, what: str) -> dict:
    """Return the JSON object of a line; raise a RequestError if there is none."""
    try:
        row = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise RequestError(f"Line {line} of the {what} is no JSON object: {shorten(text)}.")
    return row


def step_of(row: dict, line: int) -> int:
    """Return a history row's step; its line number if it has none."""
    step = row.get("_step")
    return step if isinstance(step, int) and abs(step) < 2**63 else line


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
        if finite:
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


def evenly(rows: list, count: int | None) -> list:
    """Return at most `count` rows, evenly spaced, the first and the last among them."""
    if count is None or len(rows) <= count:
        return rows
    if count <= 1:
        return rows[-1:] if count == 1 else []
    return [rows[i * (len(rows) - 1) // (count - 1)] for i in range(count)]
