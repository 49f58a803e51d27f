"""Curves of one run, as the page draws them: numbers by step or by time."""

import math
from operator import itemgetter

from sweepserver.pages.formats import count
from sweepserver.pages.numbers import as_float, is_number
from sweepserver.pages.step_metrics import StepMetrics
from sweepserver.store import history

MOST_CURVES = 30
MOST_POINTS = 1000


def history_curves(rows: list[tuple[int, dict]], step_metrics: StepMetrics) -> dict:
    """Return the curves of what a run logged: by step, or by what the run has defined instead.

    Args:
        rows: Line number and content of history rows.
        step_metrics: What the run has defined.

    Returns:
        What `curves` returns.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    by_metric: dict[str, list[tuple[float, float]]] = {}
    axes: dict[str, str] = {}
    for line, row in rows:
        numbers = {name: as_float(value) for name, value in history.flat(row) if is_number(value)}
        for name, value in numbers.items():
            if name.startswith("_"):
                continue
            series.setdefault(name, []).append((history.step_of(row, line), value))
            axis = step_metrics.of(name)
            if axis is not None and math.isfinite(place := numbers.get(axis, math.nan)):
                by_metric.setdefault(name, []).append((place, value))
                axes[name] = axis
    by_metric = {name: sorted(pairs, key=itemgetter(0)) for name, pairs in by_metric.items()}
    return curves("Step", series | by_metric, axes)


def system_curves(rows: list[dict]) -> dict:
    """Return the curves of the machine that a run was on, by seconds since its start."""
    timed = [(as_float(row["_runtime"]), row) for row in rows if is_number(row.get("_runtime"))]
    series: dict[str, list[tuple[float, float]]] = {}
    for seconds, row in timed:
        for name, value in row.items():
            if math.isfinite(seconds) and name.startswith("system.") and is_number(value):
                pair = (seconds, as_float(value))
                series.setdefault(name.removeprefix("system."), []).append(pair)
    return curves("Seconds", series, {})


def curves(x: str, series: dict[str, list[tuple[float, float]]], axes: dict[str, str]) -> dict:
    """Return a curve for each name.

    Args:
        x: What the points go by.
        series: (place, value) pairs by name, in the order of places.
        axes: What the points of some names go by instead.

    Returns:
        `x`, `curves` (of which each has `name`, `x`, `y`, in which None stands for NaN and
        infinity, `alt`: what is to be seen, in words, and `by` if its points go by something
        else) and `left_out`, the names that there is no room for.
    """
    names = sorted(series)
    return {
        "x": x,
        "curves": [
            curve(name, axes.get(name, x.lower()), series[name])
            | ({"by": axes[name]} if name in axes else {})
            for name in names[:MOST_CURVES]
        ],
        "left_out": names[MOST_CURVES:],
    }


def curve(name: str, x: str, pairs: list[tuple[float, float]]) -> dict:
    """Return the curve through (place, value) pairs, whose places are those of `x`."""
    shown = history.evenly(pairs, MOST_POINTS)
    return {
        "name": name,
        "x": [place for place, _ in shown],
        "y": [float(f"{y:.6g}") if math.isfinite(y) else None for _, y in shown],
        "alt": described(name, x, pairs),
    }


def described(name: str, x: str, pairs: list[tuple[float, float]]) -> str:
    """Describe a curve in words."""
    finite = [(place, value) for place, value in pairs if math.isfinite(value)]
    if not finite:
        return f"{name} was never a finite number."
    values = [value for _, value in finite]
    text = f"{name} by {x}, from {pairs[0][0]:.5g} to {pairs[-1][0]:.5g}: "
    text += f"between {min(values):.5g} and {max(values):.5g}, at the end {pairs[-1][1]:.5g}"
    if len(finite) < len(pairs):
        text += f"; {count(len(pairs) - len(finite), 'value')} not finite"
    return f"{text}."
