"""What a post adds to a run: lines of its history, its system events and its console, a summary.

Everything is worked out first, from the run as it is, and then kept as it is.
"""

import json
from dataclasses import dataclass, field

from sweepserver.errors import RequestError
from sweepserver.store import history
from sweepserver.store.database import Store
from sweepserver.store.records import Run
from sweepserver.values import parse_object

MOST_ROW_CHARACTERS = 2**20  # W&B asks for values below 1 MB
MOST_ROWS_OF_A_STEP = 10
MUCH_CHARACTERS = 100_000  # of a post and of what is known of its run's keys


@dataclass(frozen=True, slots=True)
class Part:
    """Some lines of one file of a post, as they are to be kept.

    Attributes:
        offset: The number of the first one.
        texts: The lines.
        rows: The JSON objects in them; none of the console.
    """

    offset: int
    texts: list[str]
    rows: list[dict]


def parsed(name: str, offset: int, texts: list[str]) -> Part:
    """Return lines of a file of a post; takes a while if they are many.

    Args:
        name: The file's name, as the client calls it.
        offset: The number of the first line in the file.
        texts: The lines.

    Raises:
        RequestError: One that must hold a JSON object does not.
    """
    what = JSON_FILES.get(name)
    if what is None:
        return Part(offset, texts, [])
    found = [fitting(text, offset + i, what) for i, text in enumerate(texts)]
    return Part(offset, [text for text, _ in found], [row for _, row in found])


def fitting(text: str, line: int, what: str) -> tuple[str, dict]:
    """Return the text and the JSON object of a line, without what is too much of it.

    A refusal would end the upload of all that the run logs from then on, so the rest is kept:
    first W&B's own keys, then the others in the order of the alphabet.  `history.LEFT_OUT` counts
    the others.

    Args:
        text: The line.
        line: Its number in its file, for the error.
        what: What the file is called in the error.

    Raises:
        RequestError: The line holds no JSON object.
    """
    row = parse_object(text, f"Line {line} of the {what}")
    if fits(text, row):
        return text, row
    kept: dict = {}
    keys, length = 1, 0
    for key in sorted(row, key=lambda key: (not key.startswith("_"), key)):
        item = {key: row[key]}
        more_keys, more_length = keys_in(item), len(json.dumps(item))
        if keys + more_keys <= history.MOST_KEYS and length + more_length <= MOST_ROW_CHARACTERS:
            kept |= item
            keys, length = keys + more_keys, length + more_length
    kept[history.LEFT_OUT] = len(row) - len(kept)
    return json.dumps(kept), kept


def fits(text: str, row: dict) -> bool:
    """Return whether a JSON object is small enough to be kept as it is."""
    return len(text) <= MOST_ROW_CHARACTERS and (
        len(text) < history.MOST_KEYS or keys_in(row) <= history.MOST_KEYS
    )


def check_fits(text: str, what: str) -> None:
    """Raise a RequestError unless a text is a JSON object that is small enough to be kept."""
    if not fits(text, parse_object(text, what)):
        raise RequestError(
            f"{what} is too large; use at most {history.MOST_KEYS:,} keys and "
            f"{MOST_ROW_CHARACTERS:,} characters, and keep larger things in a file or an artifact."
        )


def keys_in(row: dict) -> int:
    """Return how many keys a row has, those of dictionaries in it included."""
    return sum(1 for _ in history.flat(row))


@dataclass(frozen=True, slots=True)
class Addition:
    """What a part of a post adds to the store.

    Attributes:
        changes: The columns of the run that change.
        statement: What inserts lines; None if there are none to insert.
        rows: The values that it takes, once for each line.
    """

    changes: dict
    statement: str | None = None
    rows: list[tuple] = field(default_factory=list)


def add_history(store: Store, run: Run, part: Part) -> Addition:
    """Add history rows."""
    steps = steps_of(part)
    numbers = range(part.offset, part.offset + len(part.rows))
    numbered = list(zip(numbers, steps, part.texts, part.rows, strict=True))
    if has_known_steps(run, part):
        numbered = without_known(store, run, numbered)
    fresh = history.values_by_key(row for line, _, _, row in numbered if line >= run.history_lines)
    changes = {
        "history_lines": max(run.history_lines, part.offset + len(part.rows)),
        "last_step": max([run.last_step, *steps]),
        "history_keys": json.dumps(history.count_keys(json.loads(run.history_keys), fresh)),
        "extremes": json.dumps(history.widen(json.loads(run.extremes), fresh)),
    }
    return Addition(
        changes,
        "INSERT OR REPLACE INTO history (run_id, line, step, row) VALUES (?, ?, ?, ?)",
        [(run.id, line, step, text) for line, step, text, _ in numbered],
    )


def is_quick(run: Run, parts: dict[str, Part]) -> bool:
    """Return whether parts of a post are added to a run so soon that others may wait for it."""
    size = len(run.history_keys) + sum(len(text) for part in parts.values() for text in part.texts)
    return size < MUCH_CHARACTERS and not (
        HISTORY in parts and has_known_steps(run, parts[HISTORY])
    )


def has_known_steps(run: Run, part: Part) -> bool:
    """Return whether new history rows have steps that there were before."""
    is_new = part.offset >= run.history_lines
    return is_new and min(steps_of(part)) <= run.last_step


def steps_of(part: Part) -> list[int]:
    """Return the steps of history rows."""
    return [history.step_of(row, part.offset + i) for i, row in enumerate(part.rows)]


def without_known(store: Store, run: Run, numbered: list[tuple]) -> list[tuple]:
    """Return those of some new lines whose rows are not there already under another number.

    `wandb sync` of a run that may be resumed sends all its rows behind those that are there, each
    of them with a step of its own; of rows with the same step, the first ones are looked at.
    """
    by_step: dict[int, list[tuple]] = {}
    for line in numbered:
        if line[1] <= run.last_step:
            by_step.setdefault(line[1], []).append(line)
    known: set[int] = set()
    for step, some in by_step.items():  # one after the other: rows may be long
        rows = store.stream(
            "SELECT row FROM history WHERE run_id = ? AND step = ? ORDER BY line LIMIT ?",
            run.id,
            step,
            MOST_ROWS_OF_A_STEP,
        )
        there = {canonical(json.loads(row)) for (row,) in rows}
        known.update(number for number, _, _, row in some if canonical(row) in there)
    return [line for line in numbered if line[0] not in known]


def canonical(row: dict) -> str:
    """Return a row as a text that does not depend on the order of its keys."""
    return json.dumps(row, sort_keys=True)


def add_events(store: Store, run: Run, part: Part) -> Addition:
    """Add rows of system metrics, the last one as the run's current system metrics."""
    changes = {
        "events_lines": max(run.events_lines, part.offset + len(part.texts)),
        "system_metrics": json.dumps(part.rows[-1]),
    }
    return Addition(changes, *insertion("events", run, part))


def add_console(store: Store, run: Run, part: Part) -> Addition:
    """Add console lines; the client sends a line again when a progress bar changes it."""
    changes = {"log_lines": max(run.log_lines, part.offset + len(part.texts))}
    return Addition(changes, *insertion("console", run, part))


def replace_summary(store: Store, run: Run, part: Part) -> Addition:
    """Replace the summary: each of its lines is a whole one."""
    return Addition({"summary": part.texts[-1]})


def insertion(table: str, run: Run, part: Part) -> tuple[str, list[tuple]]:
    """Return what inserts the lines of a table that has nothing but the text."""
    statement = f"INSERT OR REPLACE INTO {table} (run_id, line, row) VALUES (?, ?, ?)"  # noqa: S608
    return statement, [(run.id, part.offset + i, text) for i, text in enumerate(part.texts)]


HISTORY = "wandb-history.jsonl"
# By the name of a file in a post: what returns what its lines add, and what is in each of them.
WRITERS = {
    HISTORY: add_history,
    "wandb-events.jsonl": add_events,
    "wandb-summary.json": replace_summary,
    "output.log": add_console,
}
JSON_FILES = {
    HISTORY: "history",
    "wandb-events.jsonl": "events",
    "wandb-summary.json": "summary",
}


def of(store: Store, run: Run, parts: dict[str, Part]) -> list[Addition]:
    """Return what the parts of a post add to a run; takes a while if its keys are many.

    Nothing is written yet, which `write` does.

    Args:
        store: Where the run is.
        run: The run as it is now; if it has changed meanwhile, the additions no longer fit.
        parts: What `parsed` returned, by the names of files.

    Raises:
        RequestError: A line can't be kept.
    """
    return [WRITERS[name](store, run, part) for name, part in parts.items()]


def write(store: Store, run: Run, added: list[Addition]) -> Run:
    """Keep what the parts of a post add to a run; return the run as it is now."""
    changes: dict = {}
    for addition in added:
        changes |= addition.changes
        if addition.statement:
            store.execute_many(addition.statement, addition.rows)
    return store.change(run, **changes)
