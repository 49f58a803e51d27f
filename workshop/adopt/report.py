"""What was found out about a program, as text."""

import textwrap

from workshop.adopt.effects import Effect
from workshop.adopt.findings import Adoption
from workshop.wording import count

WIDTH = 96
_COLUMNS = ("parameter", "usual", "requested", "effective", "verdict")


def as_text(adoption: Adoption) -> str:
    """Return the observations, a paragraph each, and the table of the parameters."""
    parts = [
        textwrap.fill(
            f"{'!' if observation.is_problem else '-'} {observation.sentence}", WIDTH,
            subsequent_indent="  ", break_long_words=False, break_on_hyphens=False,
        )
        for observation in adoption.observations
    ]  # fmt: skip
    if adoption.effects:
        parts.append("\n" + _table([_COLUMNS, *map(_row, adoption.effects)]) + "\n")
    problems = sum(observation.is_problem for observation in adoption.observations)
    parts.append(
        f"{count(problems, 'problem')}, marked with an exclamation mark."
        if problems
        else "No problem was found."
    )
    return "\n".join(parts)


def _row(effect: Effect) -> tuple[str, ...]:
    parameter = effect.parameter
    other = "-" if parameter.other is None else str(parameter.other)
    effective = "-" if effect.effective is None else str(effect.effective)
    return parameter.name, str(parameter.default), other, effective, effect.verdict


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
