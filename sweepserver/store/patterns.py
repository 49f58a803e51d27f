"""Patterns that users write, on an engine whose time grows with the text alone: RE2.

The time of an ordinary engine can grow exponentially with the text
(https://swtch.com/~rsc/regexp/regexp1.html).
"""

import re
from collections.abc import Callable

import re2

from sweepserver.errors import RequestError
from sweepserver.search.values import shorten

LONGEST = 1000  # characters
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
    if isinstance(pattern, str) and HUGE_REPETITION.search(pattern):
        raise not_re2(pattern)
    found = compiled(pattern, pattern, OPTIONS).search
    return lambda text: found(encoded(text)) is not None


def like(pattern: str) -> Callable[[str], bool]:
    """Return the test whether a text is like an SQL pattern, in which % and _ are wild."""
    parts = (WILD.get(character) or re2.escape(character) for character in pattern[: LONGEST + 1])
    matches = compiled(pattern, "".join(parts), DOT_ALL).fullmatch
    return lambda text: matches(encoded(text)) is not None


def compiled(given: object, expression: object, options: object) -> object:
    """Return a pattern, which is a regular expression or made into one, as RE2 has it."""
    if isinstance(given, str) and len(given) > LONGEST:
        raise RequestError(
            f"The pattern {shorten(given)} has {len(given):,} characters; use at most {LONGEST:,}."
        )
    try:
        found = re2.compile(encoded(expression), options)
    except (re2.error, AttributeError) as error:
        raise not_re2(given) from error
    return found


def not_re2(given: object) -> RequestError:
    """Return the error that a pattern cannot be used."""
    return RequestError(
        f"{shorten(given)} is no regular expression of RE2, or one that stands for too much "
        "(https://github.com/google/re2/wiki/Syntax)."
    )


def encoded(text: str) -> bytes:
    """Return a text as RE2 takes it: JSON can hold halves of characters, UTF-8 cannot."""
    return text.encode(errors="replace")
