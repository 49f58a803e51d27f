"""Parallel coordinates: a line per run, from its hyperparameters to its metric."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from sweepserver.search import Scale
from workshop.analyze.plots.style import (
    GRAY,
    LIGHT,
    Theme,
    escaped,
    finish,
    label,
    message,
    point_text,
    shades,
    value_text,
    with_unit,
    wrapped,
)
from workshop.analyze.plots.ticks import round_numbers, ticks_of
from workshop.analyze.ranking import rank
from workshop.define.parameter_values import levels, numbers
from workshop.wording import count, listed

# The end of a line without a metric; the axis reaches from 0 to 1.
_BELOW = -0.14

# Up to _FEW_RUNS, lines are thick; with more than _MANY_RUNS, all but the best are thin and
# translucent.
_FEW_RUNS = 20
_MANY_RUNS = 60
_BEST_SHARE = 0.1

_TICK_DISTANCE = 0.05

# The start of the numbers on an axis with a null below them.
_ABOVE_NULL = 0.2


def parallel_coordinates(
    frame: pd.DataFrame,
    parameters: Mapping[str, Scale],
    metric: str,
    goal: str = "maximize",
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw each run as a line through its hyperparameters to its metric.

    Runs that share a value are spread a little around it, so that each line can be followed.
    Categories are in the definition's order; a null is below the numbers.  Finished runs with a
    finite metric are colored by it, the best ones darkest (in the dark theme brightest); the others
    are gray, dotted, and end below the metric's axis.

    Args:
        frame: runs as `analyze.fetch_runs` returns them.
        parameters: scales by name, as `analyze.hyperparameters` returns them: an axis each.
        metric: the column that the last axis shows.
        goal: `maximize` or `minimize`.
        theme: the theme of the figure.
    """
    if not parameters:
        return message("The sweep varies no parameter.")
    ranked = rank(frame, metric, goal)
    if ranked.empty:
        return message(f"No run has finished with a {metric} yet.")
    others = frame[~frame["run"].isin(ranked["run"])]
    runs = pd.concat([ranked, others], ignore_index=True)
    axes = [_axis(name, runs[name], scale) for name, scale in parameters.items()]
    results = runs[metric][: len(ranked)]
    axes.append(_axis(with_unit(metric, frame), results, Scale("linear"), spread=False))
    colors = shades(ranked[metric], goal, theme)
    width = 2.5 if len(runs) <= _FEW_RUNS else 1.5
    best_ones = len(ranked) if len(runs) <= _MANY_RUNS else math.ceil(_BEST_SHARE * len(ranked))
    figure = go.Figure()
    # The worst are drawn first, so that the best are on top.
    for number, run in runs.iloc[::-1].iterrows():
        complete = number < len(ranked)
        heights = [axis.heights.get(number, _BELOW) for axis in axes]
        figure.add_scatter(
            x=list(range(len(axes))),
            y=heights,
            mode="lines+markers",
            line={
                "color": colors[number] if complete else GRAY,
                "width": (width if number < best_ones else 1) if complete else 1.5,
                "dash": "solid" if complete else "dot",
            },
            opacity=1 if number < best_ones or not complete else 0.45,
            marker_size=7 if len(runs) <= _FEW_RUNS else 5 if len(runs) <= _MANY_RUNS else 3,
            name=escaped(run["name"]),
            showlegend=False,
            hovertemplate=_hover(run, [*parameters, metric]) + "<extra></extra>",
        )
    narrow = len(axes) > 3
    for position, axis in enumerate(axes):
        figure.add_shape(
            type="line", x0=position, x1=position, y0=0, y1=1, line_color=theme.line, layer="below"
        )
        figure.add_annotation(
            x=position,
            y=1.07,
            text=f"<b>{wrapped(axis.name) if narrow else label(axis.name)}</b>",
            yanchor="bottom",
            showarrow=False,
        )
        last = position == len(axes) - 1
        for height, text in axis.ticks + ([(_BELOW, "left out")] if last and len(others) else []):
            figure.add_annotation(
                x=position,
                y=height,
                text=text,
                xanchor="left" if last else "right",
                xshift=8 if last else -8,
                showarrow=False,
                bgcolor=theme.halo,
                borderpad=1,
                font={"size": 13},
            )
    figure.update_xaxes(visible=False, range=[-0.05, len(axes) - 0.95])
    bottom, top = (_BELOW if len(others) else 0) - 0.06, 1.25 if narrow else 1.17
    figure.update_yaxes(visible=False, range=[bottom, top])
    best = ranked.iloc[0]
    return finish(
        figure,
        title=f"From {count(len(parameters), 'hyperparameter')} to {metric}",
        subtitle=f"One line per run, the {theme.best} is the best"
        + (", the best tenth is thick" if best_ones < len(ranked) else "")
        + ("; dotted: left out" if len(others) else ""),
        alt=(
            f"Parallel coordinates of {count(len(ranked), 'finished run')} over "
            f"{listed([*parameters, metric])}. Best: {metric} {value_text(best[metric])} with "
            f"{point_text(best, parameters)}; worst: {value_text(ranked[metric].iloc[-1])}."
            + (f" {count(len(others), 'run')} left out." if len(others) else "")
        ),
        height=440,
        theme=theme,
    ).update_layout(margin={"l": 110, "r": 100, "b": 20})


@dataclass(frozen=True)
class _Axis:
    """An axis of parallel coordinates; heights go from 0 to 1.

    Attributes:
        name: the name of the parameter or metric.
        heights: the height at which each run crosses it, by the run's position in the frame.
        ticks: height and text of each.
    """

    name: str
    heights: dict[int, float]
    ticks: list[tuple[float, str]]


def _axis(name: str, values: pd.Series, scale: Scale, spread: bool = True) -> _Axis:
    found, named = numbers(values, scale).dropna(), levels(values, scale).dropna()
    steps: list[str | float] = [*scale.ordered(named.unique())]
    places = {step: _share(place, 0, len(steps) - 1) for place, step in enumerate(steps)}
    if len(found):
        # The only possible level is null.
        places |= dict.fromkeys(steps, 0)
        ticks = ticks_of(found, scale) if spread else round_numbers(found.min(), found.max(), scale)
        transform = math.log10 if scale.kind == "log" else float
        low, high = transform(min(ticks[0], found.min())), transform(max(ticks[-1], found.max()))
        bottom = _ABOVE_NULL if steps else 0
        for value in [*ticks, *found]:
            places[value] = bottom + (1 - bottom) * _share(transform(value), low, high)
        steps += ticks
    marks: list[tuple[float, str]] = []
    for step in steps:
        if not marks or places[step] - marks[-1][0] > _TICK_DISTANCE:
            marks.append((places[step], label(step)))
    heights = pd.concat([named, found]).map(places).astype(float)
    if spread and len(heights):
        reach = 0.03 if len(heights) <= _MANY_RUNS else 0.05
        heights += _offsets(heights, min(reach, 0.25 / len(steps)))
    return _Axis(name, heights.to_dict(), marks)


def _share(value: float, low: float, high: float) -> float:
    """Return a value's relative position from `low` to `high`; a single value is in the middle."""
    return (value - low) / (high - low) if high > low else 0.5


def _offsets(heights: pd.Series, reach: float) -> pd.Series:
    """Return offsets from -reach to reach that separate the runs that share a height."""
    order = heights.groupby(heights).cumcount()
    shared = heights.groupby(heights).transform("size")
    return ((shared - 1) / 2 - order) / (shared / 2) * reach


def _hover(run: pd.Series, columns: Iterable[str]) -> str:
    lines = [f"{label(column)}: {label(run[column])}" for column in columns]
    return "<br>".join([f"<b>{label(run['name'])}</b> ({escaped(run['state'])})", *lines])
