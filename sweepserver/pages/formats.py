"""How values are written on a page."""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal

from sweepserver.values import finite, timestamp

LONG = 10**15  # from here on a whole number is written with an exponent


def shown(value: object) -> str:
    """Return a logged or configured value as a short text."""
    if value is None:
        return "—"
    if isinstance(value, (bool, str)):
        return str(value)
    if isinstance(value, int) and abs(value) >= LONG:
        return f"{Decimal(value):.5g}"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.5g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(finite(value))


def moment(seconds: float) -> str:
    """Return a time as `2026-11-23 18:24 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def span(seconds: float) -> str:
    """Return a duration such as `1 h 5 min` or `12 s`."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def size(number: float) -> str:
    """Return a number of bytes such as `1.2 kB`."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def count(number: int, noun: str) -> str:
    """Return a number of things such as `1 run` or `2,000 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


FILTERS = {
    "shown": shown, "moment": moment, "span": span, "size": size, "count_of": count,
    "iso": timestamp,
}  # fmt: skip
