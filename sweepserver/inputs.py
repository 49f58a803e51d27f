"""What clients may send where a number, a flag, a name or a run's config is expected.

SQLite and W&B's `Int64` hold integers of 64 bits, GraphQL's `Int` of 32, JSON any.  Whatever comes
in is checked here, so that nothing behind it meets a value that it cannot keep or compute with.
"""

import re

from sweepserver.errors import RequestError
from sweepserver.search.values import shorten
from sweepserver.values import parse_object

SMALLEST_INT64, LARGEST_INT64 = -(2**63), 2**63 - 1
LARGEST_INT32 = 2**31 - 1
# Those of ASCII and ISO 8859, and of Unicode what breaks lines or turns the direction of writing
# (https://trojansource.codes).
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def whole_number(
    value: object, what: str, least: int = SMALLEST_INT64, most: int = LARGEST_INT64
) -> int:
    """Return an integer; 3.0 is one, as in GraphQL.

    Args:
        value: What was sent.
        what: What it is, for the message.
        least: The smallest that can be taken.
        most: The largest.

    Raises:
        RequestError: It is not an integer, or too small or too large.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise RequestError(f"{what} must be {span(least, most)}, not {shorten(value)}.")
    return value


def span(least: int, most: int) -> str:
    """Describe the accepted integers."""
    if (least, most) == (SMALLEST_INT64, LARGEST_INT64):
        return "an integer of 64 bits"
    if most == LARGEST_INT64:
        return f"an integer of 64 bits, {least} or more"
    return f"an integer from {least} to {most}"


def count(value: object, what: str) -> int:
    """Return the number of items asked for; raise a RequestError if it isn't a valid count."""
    return whole_number(value, what, 0)


def flag(value: object, what: str) -> bool:
    """Return a Boolean, false for null; raise a RequestError for anything else."""
    if value is not None and not isinstance(value, bool):
        raise RequestError(f"{what} must be true or false, not {shorten(value)}.")
    return bool(value)


def require_printable(name: str, what: str) -> None:
    """Raise a RequestError if a name has characters that terminals and headers act upon."""
    if CONTROLS.search(name):
        raise RequestError(f"{shorten(name)} cannot be {what}: it has control characters.")


def parse_config(text: str) -> dict:
    """Return the config of a run, in which `_wandb` is what the client keeps for itself.

    Raises:
        RequestError: The text is not a JSON object, or what it holds for the client is not one.
    """
    config = parse_object(text, "A run's config")
    require_own_part(config)
    return config


def require_own_part(config: dict) -> None:
    """Raise a RequestError if `_wandb` in a run's config is not {"value": {…}}."""
    own = config.get("_wandb")
    values = own.get("value") if isinstance(own, dict) else own
    if values is not None and not isinstance(values, dict):
        raise RequestError(
            f'_wandb in the config of a run must be {{"value": {{…}}}}, not {shorten(own)}: '
            "the client keeps its own data there."
        )
