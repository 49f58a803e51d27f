"""The metric over two hyperparameters, as contours between the runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from sweepserver.search import Scale
from workshop.analyze.plots.style import (
    LIGHT,
    Theme,
    escaped,
    finish,
    label,
    message,
    point_text,
    value_text,
    with_unit,
)
from workshop.analyze.plots.ticks import ticks_of
from workshop.analyze.ranking import rank
from workshop.define.parameter_values import numbers
from workshop.wording import count

STEPS = 60
"""The number of grid points between the runs, along each axis."""


def contour(
    frame: pd.DataFrame,
    x: str,
    y: str,
    parameters: Mapping[str, Scale],
    metric: str,
    goal: str = "maximize",
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw the metric over two hyperparameters: contours between the runs, and a dot for each.

    Between the runs, the metric is interpolated linearly on the parameters' own scales.  Beyond the
    outermost runs there are no contours, because nothing was tried there.  Runs at the same place
    count by their mean, regardless of their other hyperparameters.

    Args:
        frame: runs as `analyze.fetch_runs` returns them; those that `analyze.rank` accepts are
            drawn.
        x: the hyperparameter on the horizontal axis, which must have numbers.
        y: the hyperparameter on the vertical axis, which must have numbers.
        parameters: scales by name, as `analyze.hyperparameters` returns them.
        metric: a column of the frame.
        goal: `maximize` or `minimize`.
        theme: the theme of the figure.
    """
    for name in (x, y):
        if name not in parameters:
            return message(f"The sweep does not vary {name}.")
        if parameters[name].kind == "category":
            return message(f"{name} has no numbers, so no contours can be drawn.")
    runs = rank(frame, metric, goal)
    runs = runs.assign(
        x=_coordinates(runs[x], parameters[x]), y=_coordinates(runs[y], parameters[y])
    )
    runs = runs.dropna(subset=["x", "y"])
    if runs.empty:
        return message(f"No run has finished with a {metric} yet.")
    best, worst = theme.scale
    colors = sample_colorscale("Viridis", [worst, (worst + best) / 2, best])
    if goal == "minimize":
        colors.reverse()
    scale = [[0, colors[0]], [0.5, colors[1]], [1, colors[2]]]
    figure = go.Figure()
    surface = _surface(runs, metric)
    if surface is not None:
        figure.add_contour(
            **surface,
            zmin=runs[metric].min(),
            zmax=runs[metric].max(),
            colorscale=scale,
            contours_coloring="heatmap",
            line={"width": 0.5, "color": theme.ink},
            colorbar={
                "title": {
                    "text": label(with_unit(metric, frame)),
                    "side": "right",
                    "font_size": 14,
                },
                "thickness": 14,
            },
            hovertemplate=f"{label(metric)} about %{{z:.4g}}<extra></extra>",
        )
    drawn = runs[::-1]  # of runs at the same place, the best is on top
    figure.add_scatter(
        x=drawn["x"],
        y=drawn["y"],
        mode="markers",
        marker={
            "size": np.where(drawn["run"] == runs["run"].iloc[0], 14, 8),
            "color": drawn[metric],
            "colorscale": scale,
            "line": {"color": theme.ink, "width": 1.5},
        },
        customdata=[
            f"{escaped(run['name'])}<br>{label(x)} {label(run[x])}, {label(y)} {label(run[y])}: "
            f"{value_text(run[metric])}"
            for _, run in drawn.iterrows()
        ],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    for name, axis in ((x, figure.update_xaxes), (y, figure.update_yaxes)):
        axis(title_text=label(name))
        ticks = ticks_of(numbers(runs[name], parameters[name]), parameters[name])
        places = _coordinates(pd.Series(ticks), parameters[name])
        axis(tickvals=places, ticktext=[label(tick) for tick in ticks])
    first = runs.iloc[0]
    return finish(
        figure,
        title=f"{metric} over {x} and {y}",
        subtitle=(
            f"{count(len(runs), 'run')}; between them interpolated, beyond them unknown; the "
            f"{theme.best} is the best"
            if surface is not None
            else f"{count(len(runs), 'run')}, too few or all in a line: no contours between them"
        ),
        alt=(
            f"Contours of {metric} over {x} and {y}, {count(len(runs), 'finished run')}. Best: "
            f"{value_text(first[metric])} with {point_text(first, [x, y])}; worst: "
            f"{value_text(runs[metric].iloc[-1])} with {point_text(runs.iloc[-1], [x, y])}."
        ),
        height=460,
        theme=theme,
    )


def _coordinates(values: pd.Series, scale: Scale) -> pd.Series:
    found = numbers(values, scale)
    return np.log10(found) if scale.kind == "log" else found


def _surface(runs: pd.DataFrame, metric: str) -> dict | None:
    """Return the interpolated metric on a grid; None if the runs span no area."""
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    means = runs.groupby(["x", "y"])[metric].mean()
    places = means.index.to_frame().to_numpy()
    lows, highs = places.min(axis=0), places.max(axis=0)
    if len(places) < 3 or (lows == highs).any():
        return None
    try:
        # Rescaled, so that both axes have the same weight.
        found = LinearNDInterpolator((places - lows) / (highs - lows), means.to_numpy())
    except QhullError:
        return None
    steps = np.linspace(0, 1, STEPS)
    along, up = (lows + steps[:, None] * (highs - lows)).T
    return {"x": along, "y": up, "z": found(*np.meshgrid(steps, steps))}
