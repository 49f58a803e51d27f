"""The judges of the exercises, and their remarks about an answer."""

from collections.abc import Callable, Generator, Set
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Judgment = Generator[tuple[bool, str, str], None, None]
"""Whether one thing holds, the words for the case that it does, and for the case that not."""

Condition = Generator[tuple[bool, str, str], None, bool]
"""The same, and at its end whether it makes sense to look further."""

SEVERAL = (list, tuple, Set, np.ndarray, pd.api.extensions.ExtensionArray, pd.Index, pd.Series)
"""The types of what counts as a list: people give a table's column, or a set, as well."""

JUDGES: dict[str, Callable[[Any], Judgment]] = {}
"""The judge of each exercise, by its number."""


LONGEST = 60
"""Characters of a value that a sentence repeats."""


class Remark(NamedTuple):
    """A remark about an answer: whether it is right, and why."""

    right: bool
    words: str


def judge(number: str) -> Callable[[Callable[[Any], Judgment]], Callable[[Any], Judgment]]:
    """Make a function the judge of an exercise, such as `1.2`."""

    def register(function: Callable[[Any], Judgment]) -> Callable[[Any], Judgment]:
        JUDGES[number] = function
        return function

    return register


def parts(answer: Any, *kinds: tuple[type | tuple[type, ...], str]) -> Condition:
    """Check that an answer consists of parts of the right types.

    Args:
        answer: the learner's answer.
        kinds: the type of each part, and its name in words.
    """
    wanted = ", ".join(words for _, words in kinds)
    fits = isinstance(answer, tuple) and len(answer) == len(kinds)
    if fits:
        for part, (kind, words) in zip(answer, kinds, strict=True):
            # To Python, True is a number.
            if not isinstance(part, kind) or (isinstance(part, bool) and kind is not bool):
                yield False, "", f"expected {words}, got {given(part)}"
                return False
        return True
    yield False, "", f"the answer must have {len(kinds)} parts in parentheses: ({wanted})"
    return False


def given(value: Any) -> str:
    """Return a value as a sentence shows it: itself if it's short, such as 0.1, or its type."""
    text = repr(value)
    if len(text) <= LONGEST and "\n" not in text:
        return text
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'AEIOaeio' else 'a'} {kind}"
