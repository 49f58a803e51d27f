"""What a run logged: history, system events, console."""

import json
from array import array
from collections.abc import Iterator

from sweepserver.api.pagination import number_in
from sweepserver.api.resolvers.context import Context
from sweepserver.errors import RequestError
from sweepserver.inputs import count, whole_number
from sweepserver.search.values import lookup, shorten
from sweepserver.store import history
from sweepserver.store.console import console_line
from sweepserver.store.records import Run
from sweepserver.values import check_path, parse_object

DEFAULT_SAMPLES = 500


class HistoryFields:
    """The fields of a run that tell what it logged."""

    record: Run

    def history_keys(self, context: Context) -> dict | None:
        """Return the last step, and what is known of each key: see `history.count_keys`."""
        if not self.record.history_lines:
            return None
        return {"lastStep": self.record.last_step, "keys": json.loads(self.record.history_keys)}

    def history_tail(self, context: Context) -> str:
        """Return the last row, in a list."""
        return tail(context, "history", self.record, self.record.history_lines)

    def events_tail(self, context: Context) -> str:
        """Return the last row of system metrics, in a list."""
        return tail(context, "events", self.record, self.record.events_lines)

    def history(
        self,
        context: Context,
        min_step: int | None = None,
        max_step: int | None = None,
        samples: int | None = None,
    ) -> list[str]:
        """Return the rows from `min_step` to before `max_step`, or `samples` of all rows."""
        found = history.read_history(context.store, self.record, min_step, max_step)
        rows: Iterator[str] = (row for _, row in found)
        if max_step is None and samples is not None:
            total = history.count_history(context.store, self.record, min_step)
            rows = history.evenly_of(rows, total, samples)
        return context.allowance.taken(rows)

    def events(self, context: Context, samples: int | None = None) -> list[str]:
        """Return rows of system metrics."""
        count = self.record.events_lines if samples is None else samples
        rows = history.sample_rows(context.store, "events", self.record, count)
        return context.allowance.taken(rows)

    def sampled_history(self, context: Context, specs: list[str]) -> list[list[dict]]:
        """Return for each specification a sample of the rows that have all its keys.

        A specification is JSON with `keys`, `samples`, and `minStep` and `maxStep` (inclusive).
        """
        return [self._sampled(context, parse_object(spec, "A history spec")) for spec in specs]

    def _sampled(self, context: Context, spec: dict) -> list[dict]:
        keys = spec.get("keys") or []
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise RequestError(
                f"keys in a history spec must be a list of names, not {shorten(keys)}."
            )
        for key in keys:
            check_path(key, "The key")
        first, last = (
            None if spec.get(name) is None else whole_number(spec[name], f"{name} of a spec")
            for name in ("minStep", "maxStep")
        )
        samples = count(spec.get("samples", DEFAULT_SAMPLES), "samples of a spec")
        end = None if last is None else last + 1
        rows = history.read_history(context.store, self.record, first, end)
        numbers = array("q", (number for number, row in rows if has_all(row, keys)))
        chosen = history.evenly(numbers, samples) if keys else []
        found = map(json.loads, history.history_rows(context.store, self.record, chosen))
        return context.allowance.taken({key: lookup(row, key) for key in keys} for row in found)

    def parquet_history(self, context: Context, live_keys: list[str]) -> dict:
        """Return that no history is in parquet files and all of it live, from its first row on."""
        first = history.read_rows(context.store, "history", self.record, 0, 1)
        rows = [json.loads(text) for _, text in first]
        live = [{"_step": history.step_of(row, 0), **row} for row in rows]
        return {
            "parquet_urls": [],
            "live_data": [{key: r.get(key) for key in live_keys} for r in live],
        }

    def log_lines(
        self,
        context: Context,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        use_improved_pagination: bool | None = None,
    ) -> dict:
        """Return console lines: the first ones after a cursor, or the last ones."""
        total = self.record.log_lines
        number = number_in(after)
        start = 0 if number is None else number + 1
        if last:
            start = max(0, total - last)
        limit = -1 if first is None else first
        found = history.read_rows(context.store, "console", self.record, start, limit)
        end = found[-1][0] if found else None
        return {
            "edges": [{"node": console_line(number, text)} for number, text in found],
            "page_info": {
                "end_cursor": None if end is None else str(end),
                "has_next_page": end is not None and end + 1 < total,
            },
        }


def has_all(row: str, keys: list[str]) -> bool:
    """Return whether a history row has a value for each key."""
    parsed = json.loads(row)
    return all(lookup(parsed, key) is not None for key in keys)


def tail(context: Context, table: str, run: Run, count: int) -> str:
    """Return JSON text of a list with the last line of a table, as the client resumes from it."""
    found = history.read_rows(context.store, table, run, max(0, count - 1))
    return json.dumps([text for _, text in found])
