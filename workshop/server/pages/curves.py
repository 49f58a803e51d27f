"""Curves of one run, as the page draws them: numbers by step or by time."""

import math
from collections.abc import Iterable

from workshop.server import lines
from workshop.server.pages.numbers import as_float, is_number

MOST_CURVES = 30
MOST_POINTS = 1000


def history_curves(rows: list[tuple[int, dict]]) -> dict:
    """Return the curves of what a run logged, by step.

    Args:
        rows: Line number and content of history rows.

    Returns:
        What `curves` returns.
    """
    points = (
        (lines.step_of(row, line), name, value)
        for line, row in rows
        for name, value in lines.flat(row)
        if not name.startswith("_")
    )
    return curves("Step", points)


def system_curves(rows: list[dict]) -> dict:
    """Return the curves of the machine that a run was on, by seconds since its start."""
    timed = [(as_float(row["_runtime"]), row) for row in rows if is_number(row.get("_runtime"))]
    points = (
        (seconds, name.removeprefix("system."), value)
        for seconds, row in timed
        if math.isfinite(seconds)
        for name, value in row.items()
        if name.startswith("system.")
    )
    return curves("Seconds", points)


def curves(x: str, points: Iterable[tuple[float, str, object]]) -> dict:
    """Return a curve for each name that has numbers.

    Args:
        x: What the points go by.
        points: (place, name, value) in the order of places.

    Returns:
        `x`, `curves` (of which each has `name`, `x`, `y`, in which None stands for NaN and
        infinity, and `alt`: what is to be seen, in words) and `left_out`, the names that there is
        no room for.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for place, name, value in points:
        if is_number(value):
            series.setdefault(name, []).append((place, as_float(value)))
    names = sorted(series)
    return {
        "x": x,
        "curves": [curve(name, x, series[name]) for name in names[:MOST_CURVES]],
        "left_out": names[MOST_CURVES:],
    }


def curve(name: str, x: str, pairs: list[tuple[float, float]]) -> dict:
    """Return the curve through (place, value) pairs."""
    shown = lines.evenly(pairs, MOST_POINTS)
    return {
        "name": name,
        "x": [place for place, _ in shown],
        "y": [float(f"{y:.6g}") if math.isfinite(y) else None for _, y in shown],
        "alt": described(name, x, pairs),
    }


def described(name: str, x: str, pairs: list[tuple[float, float]]) -> str:
    """Return in words what a curve shows."""
    finite = [(place, value) for place, value in pairs if math.isfinite(value)]
    if not finite:
        return f"{name} was never a finite number."
    values = [value for _, value in finite]
    text = f"{name} by {x.lower()}, from {pairs[0][0]:.5g} to {pairs[-1][0]:.5g}: "
    text += f"between {min(values):.5g} and {max(values):.5g}, at the end {pairs[-1][1]:.5g}"
    if len(finite) < len(pairs):
        text += f"; {len(pairs) - len(finite)} times no finite number"
    return f"{text}."
