"""Check the answers to the exercises of `notebooks/exercises`.

`check("1.2", answer)` says what is right about an answer and what is not yet, without giving
the solution away.
"""

from collections.abc import Mapping
from typing import Any

from sweepserver.search.values import closest
from workshop.errors import WorkshopError
from workshop.exercises import analyze, define, initialize, run_agents  # noqa: F401 - the judges
from workshop.exercises.report import JUDGES, Finding

__all__ = ["Finding", "check", "findings"]


def check(number: str, answer: Any) -> None:
    """Print what is right about an answer, and what is not yet.

    Args:
        number: of the exercise, such as `"1.2"`.
        answer: what the exercise asks for.

    Raises:
        WorkshopError: there is no such exercise.
    """
    found = findings(number, answer)
    done = all(finding.right for finding in found)
    print(f"Exercise {number}: {'right' if done else 'not there yet'}")
    for finding in found:
        print(f"  {'right' if finding.right else 'not yet'}: {finding.words}")


def findings(number: str, answer: Any) -> list[Finding]:
    """Return what there is to say about an answer; it is right if every finding is.

    Raises:
        WorkshopError: there is no such exercise.
    """
    if number not in JUDGES:
        raise WorkshopError(
            f"there is no exercise {number!r}{closest(number, JUDGES)}: "
            f"there are {', '.join(sorted(JUDGES))}"
        )
    given = answer if isinstance(answer, tuple) else (answer,)
    if any(_is_open(part) for part in given):
        return [Finding(False, "this is not answered: replace the three dots in the cell above")]
    return [
        Finding(right, praise if right else advice)
        for right, praise, advice in JUDGES[number](answer)
    ]


def _is_open(part: Any) -> bool:
    """Tell whether the dots that stand for an answer are still there."""
    return part is ... or (isinstance(part, Mapping) and any(map(_is_open, part.values())))
