"""Small conversions between the store and the wire."""

import difflib
import json
import math
import re
import secrets
import string
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from workshop.server.errors import RequestError

ALPHABET = string.ascii_lowercase + string.digits
LONGEST_PATH = 500  # characters of a metric or an item, dots included


def new_id() -> str:
    """Return a fresh ID of 8 characters, as W&B's runs and sweeps have."""
    return "".join(secrets.choice(ALPHABET) for _ in range(8))


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as W&B writes times: `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=1000)  # users name some of them
def snake_case(name: str) -> str:
    """Return `runCountExpected` as `run_count_expected`, `clientIDs` as `client_ids`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def parse_object(text: str, what: str) -> dict:
    """Return the JSON object that a text holds; bare NaN and Infinity may stand in it.

    Raises:
        RequestError: The text is no JSON object.
    """
    try:
        value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RequestError(f"{what} must be a JSON object, not {shorten(text)}.")
    return value


def shorten(text: object, length: int = 60) -> str:
    """Return the representation of a value, cut to a length that fits into a sentence."""
    text = repr(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def closest(word: object, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)` if one of the known words is close to one, else nothing."""
    matches = difflib.get_close_matches(str(word), list(known), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def finite(value: object) -> object:
    """Return a JSON value with NaN and the infinities as strings, which plain JSON can carry."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return value


def number(value: object) -> float | None:
    """Return a number as it is if a float can hold it, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Not math.isfinite, which fails for integers that are larger than any float.
    return value if abs(value) <= sys.float_info.max else None


def lookup(value: object, path: str, default: object = None) -> object:
    """Return what a dotted path leads to inside nested dictionaries, `default` if to nothing.

    Keys may contain dots themselves, so the longest matching key wins at every level.
    """
    if not isinstance(value, dict):
        return default
    if path in value:
        return value[path]
    for beginning in beginnings(value, path):
        found = lookup(value[beginning], path[len(beginning) + 1 :], default)
        if found is not default:
            return found
    return default


def beginnings(value: dict, path: str) -> list[str]:
    """Return the keys of a dictionary with which a dotted path begins, the longest first.

    A path may have many dots and a dictionary many keys; what is fewer is looked through.
    """
    dots = path.count(".")
    if dots > len(value):
        names = (key for key in value if isinstance(key, str) and key)
        found = [key for key in names if path.startswith(f"{key}.")]
        return sorted(found, key=len, reverse=True)
    found, end = [], len(path)
    for _ in range(dots):
        end = path.rfind(".", 0, end)
        if end > 0 and path[:end] in value:
            found.append(path[:end])
    return found


def check_path(path: str, what: str) -> None:
    """Raise a RequestError if a dotted path is longer than anything that is ever looked up."""
    if len(path) > LONGEST_PATH:
        raise RequestError(
            f"{what} {shorten(path)} has {len(path):,} characters; use at most {LONGEST_PATH}."
        )


def unwrap(config: dict) -> dict:
    """Return a run's config without the `{"value": …}` around each item and W&B's own item."""
    return {
        key: item["value"] if isinstance(item, dict) and "value" in item else item
        for key, item in config.items()
        if key != "_wandb"
    }
