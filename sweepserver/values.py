"""Small conversions between the store and the wire."""

import json
import math
import re
import secrets
import string
from datetime import UTC, datetime
from functools import lru_cache

from sweepserver.errors import RequestError
from sweepserver.search.values import MOST_PATH_CHARACTERS, shorten

ALPHABET = string.ascii_lowercase + string.digits


def new_id() -> str:
    """Return a new ID of 8 characters, as for W&B's runs and sweeps."""
    return "".join(secrets.choice(ALPHABET) for _ in range(8))


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as W&B writes times: `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=1000)  # users name some of them
def snake_case(name: str) -> str:
    """Return `runCountExpected` as `run_count_expected`, `clientIDs` as `client_ids`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def parse_object(text: str | bytes, what: str) -> dict:
    """Return the JSON object in a text, which may contain bare NaN and Infinity.

    Raises:
        RequestError: The text is not a JSON object.
    """
    try:
        value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RequestError(f"{what} must be a JSON object, not {shorten(text)}.")
    return value


def finite(value: object) -> object:
    """Return a JSON value with NaN and the infinities as strings, which plain JSON can carry."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return value


def check_path(path: str, what: str) -> None:
    """Raise a RequestError if a dotted path is longer than anything that is ever looked up."""
    if len(path) > MOST_PATH_CHARACTERS:
        raise RequestError(
            f"{what} {shorten(path)} has {len(path):,} characters; use at most "
            f"{MOST_PATH_CHARACTERS}."
        )


def unwrap(config: dict) -> dict:
    """Return a run's config without the `{"value": …}` around each item and W&B's own item."""
    return {
        key: item["value"] if isinstance(item, dict) and "value" in item else item
        for key, item in config.items()
        if key != "_wandb"
    }
