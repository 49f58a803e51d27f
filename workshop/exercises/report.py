"""What is right about an answer and what is not, and who judges which exercise."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

Judgement = Generator[tuple[bool, str, str], None, None]
"""Whether one thing holds, the words for the case that it does, and for the case that not."""

Condition = Generator[tuple[bool, str, str], None, bool]
"""The same, and at its end whether it makes sense to look further."""

JUDGES: dict[str, Callable[[Any], Judgement]] = {}
"""From the number of an exercise to the function that looks at an answer to it."""


class Finding(NamedTuple):
    """One thing about an answer: whether it is right, in words."""

    right: bool
    words: str


def judge(number: str) -> Callable[[Callable[[Any], Judgement]], Callable[[Any], Judgement]]:
    """Make a function the judge of an exercise, such as `1.2`."""

    def register(function: Callable[[Any], Judgement]) -> Callable[[Any], Judgement]:
        JUDGES[number] = function
        return function

    return register


def parts(answer: Any, *kinds: tuple[type | tuple[type, ...], str]) -> Condition:
    """Look whether an answer consists of parts of some kinds.

    Args:
        answer: what the learner gave.
        kinds: the type of each part, and what it is in words.
    """
    wanted = ", ".join(words for _, words in kinds)
    fits = isinstance(answer, tuple) and len(answer) == len(kinds)
    if fits:
        for part, (kind, words) in zip(answer, kinds, strict=True):
            # To Python, True is a number.
            if not isinstance(part, kind) or (isinstance(part, bool) and kind is not bool):
                yield False, "", f"{part!r} stands where {words} was expected"
                return False
        return True
    yield False, "", f"the answer must have {len(kinds)} parts in parentheses: ({wanted})"
    return False
