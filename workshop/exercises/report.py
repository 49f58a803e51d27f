"""The judges of the exercises, and their remarks about an answer."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

Judgement = Generator[tuple[bool, str, str], None, None]
"""Whether one thing holds, the words for the case that it does, and for the case that not."""

Condition = Generator[tuple[bool, str, str], None, bool]
"""The same, and at its end whether it makes sense to look further."""

JUDGES: dict[str, Callable[[Any], Judgement]] = {}
"""The judge of each exercise, by its number."""


class Remark(NamedTuple):
    """A remark about an answer: whether it is right, and why."""

    right: bool
    words: str


def judge(number: str) -> Callable[[Callable[[Any], Judgement]], Callable[[Any], Judgement]]:
    """Make a function the judge of an exercise, such as `1.2`."""

    def register(function: Callable[[Any], Judgement]) -> Callable[[Any], Judgement]:
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
                yield False, "", f"expected {words}, got {part!r}"
                return False
        return True
    yield False, "", f"the answer must have {len(kinds)} parts in parentheses: ({wanted})"
    return False
