"""Users' patterns, matched by RE2, whose time is linear in the text.

The time of an ordinary engine can grow exponentially with the text
(https://swtch.com/~rsc/regexp/regexp1.html).
"""

import re
from collections.abc import Callable
from typing import Any

import re2

from sweepserver.errors import RequestError
from sweepserver.search.values import shorten

MOST_PATTERN_CHARACTERS = 1000
HUGE_REPETITION = re.compile(r"\{[\d,]*\d{5,}[\d,]*\}")  # RE2 takes it for plain text
WILD = {"%": ".*", "_": "."}  # of SQL

OPTIONS = re2.Options()
OPTIONS.log_errors = False  # they are told to who asked
OPTIONS.max_mem = 2**20  # bytes, of a pattern that is compiled: `(a{500}){500}` is short itself
DOT_ALL = re2.Options()
DOT_ALL.log_errors, DOT_ALL.max_mem, DOT_ALL.dot_nl = False, OPTIONS.max_mem, True


def search(pattern: object) -> Callable[[str], bool]:
    """Return the test whether a regular expression is found in a text.

    Raises:
        RequestError: It is none, or too long.
    """
    if not isinstance(pattern, str) or HUGE_REPETITION.search(pattern):
        raise not_re2(pattern)
    found = compiled(pattern, pattern, OPTIONS).search
    return lambda text: found(encoded(text)) is not None


def like(pattern: str) -> Callable[[str], bool]:
    """Return the test whether a text is like an SQL pattern, in which % and _ are wild."""
    parts = (
        WILD.get(character) or re2.escape(character)
        for character in pattern[: MOST_PATTERN_CHARACTERS + 1]
    )
    matches = compiled(pattern, "".join(parts), DOT_ALL).fullmatch
    return lambda text: matches(encoded(text)) is not None


def compiled(given: str, expression: str, options: re2.Options) -> Any:
    """Return a pattern, which is a regular expression or made into one, as RE2 has it."""
    if len(given) > MOST_PATTERN_CHARACTERS:
        raise RequestError(
            f"The pattern {shorten(given)} has {len(given):,} characters; use at most "
            f"{MOST_PATTERN_CHARACTERS:,}."
        )
    try:
        found = re2.compile(encoded(expression), options)
    except re2.error as error:
        raise not_re2(given) from error
    return found


def not_re2(given: object) -> RequestError:
    """Return the error that a pattern cannot be used."""
    return RequestError(
        f"{shorten(given)} isn't a regular expression that RE2 accepts, or expands to too much "
        "(https://github.com/google/re2/wiki/Syntax)."
    )


def encoded(text: str) -> bytes:
    """Return a text as RE2 takes it: JSON can hold halves of characters, UTF-8 cannot."""
    return text.encode(errors="replace")
