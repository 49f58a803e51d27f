"""Check the answers to the exercises of `notebooks/exercises`.

`check("1.2", answer)` says what is right about an answer and what isn't yet, without giving the
solution away.
"""

from collections.abc import Mapping
from typing import Any

from sweepserver.search.values import closest
from workshop.errors import WorkshopError
from workshop.exercises import (  # noqa: F401 - the judges
    analyze,
    define,
    initialize,
    own_program,
    run_agents,
    search,
)
from workshop.exercises.report import JUDGES, Remark

__all__ = ["Remark", "check", "remarks"]


def check(number: str, answer: Any) -> None:
    """Print what is right about an answer, and what isn't yet.

    Args:
        number: the exercise's number, such as `"1.2"`.
        answer: the learner's answer.

    Raises:
        WorkshopError: there is no such exercise.
    """
    found = remarks(number, answer)
    done = all(remark.right for remark in found)
    print(f"Exercise {number}: {'right' if done else 'not there yet'}")
    for remark in found:
        print(f"  {'right' if remark.right else 'not yet'}: {remark.words}")


def remarks(number: str, answer: Any) -> list[Remark]:
    """Return the remarks about an answer; it is right if every remark is.

    Raises:
        WorkshopError: there is no such exercise.
    """
    if number not in JUDGES:
        raise WorkshopError(
            f"there is no exercise {number!r}{closest(number, JUDGES)}: "
            f"use one of {', '.join(sorted(JUDGES))}"
        )
    given = answer if isinstance(answer, tuple) else (answer,)
    if any(_is_open(part) for part in given):
        return [Remark(False, "this is not answered: replace the three dots in the cell above")]
    found = (
        Remark(right, praise if right else advice)
        for right, praise, advice in JUDGES[number](answer)
    )
    return list(dict.fromkeys(found))  # what two looks find alike is said once


def _is_open(part: Any) -> bool:
    """Return whether an answer still has the dots of the starter."""
    if isinstance(part, Mapping):
        return any(map(_is_open, part.values()))
    return part is ... or (isinstance(part, (list, tuple)) and any(map(_is_open, part)))
