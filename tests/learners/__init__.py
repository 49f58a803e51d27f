"""Learners who answer the exercises in their own ways, right and wrong."""

from typing import NamedTuple

RIGHT = "right"


class Attempt(NamedTuple):
    """What a learner writes in place of a solution, and what `check` says about it.

    Attributes:
        cell: the source of the cell.
        told: words that have to be printed then; by default, that it's right.
    """

    cell: str
    told: str = RIGHT


Answers = dict[str, list[Attempt]]
"""A learner's attempts at each exercise, by its number; the last one is right."""
