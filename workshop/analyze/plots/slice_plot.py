"""Slices: the metric against each hyperparameter, a dot per run."""

import math
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

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
from workshop.define.parameter_values import levels, numbers
from workshop.wording import count, listed

IN_A_ROW = 3
"""Panels side by side."""


def slices(
    frame: pd.DataFrame,
    parameters: Mapping[str, Scale],
    metric: str,
    goal: str = "maximize",
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw the metric against each hyperparameter, a panel each and a dot per run.

    Its data are those of `analyze.rank`.  Dots in one column differ in the other hyperparameters;
    if a whole column is high, the value is good regardless of the others.

    Args:
        frame: runs as `analyze.fetch_runs` returns them; those that `analyze.rank` accepts are
            drawn.
        parameters: scales by name, as `analyze.hyperparameters` returns them: a panel each.
        metric: a column of the frame.
        goal: `maximize` or `minimize`.
        theme: the theme of the figure.
    """
    if not parameters:
        return message("The sweep varies no parameter.")
    runs = rank(frame, metric, goal)
    if runs.empty:
        return message(f"No run has finished with a {metric} yet.")
    rows = math.ceil(len(parameters) / IN_A_ROW)
    columns = min(len(parameters), IN_A_ROW)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.28 / rows,
    )
    blue, orange = theme.colors[:2]
    hover = [escaped(name) for name in runs["name"]]
    for number, (name, scale) in enumerate(parameters.items()):
        place = {"row": number // columns + 1, "col": number % columns + 1}
        values = _places(runs[name], scale)
        for chosen, color, size in ((runs.index > 1, blue, 7), (runs.index == 1, orange, 11)):
            figure.add_scatter(
                x=values[chosen],
                y=runs[metric][chosen],
                mode="markers",
                marker={"color": color, "size": size, "opacity": 0.75 if size < 10 else 1},
                customdata=[text for text, shown in zip(hover, chosen, strict=True) if shown],
                hovertemplate=f"%{{customdata}}<br>{label(name)} %{{x}}: %{{y:.4g}}<extra></extra>",
                showlegend=False,
                **place,
            )
        figure.update_xaxes(title_text=label(name), **place)
        if scale.kind == "category":
            order = [escaped(text) for text in scale.ordered(levels(runs[name], scale).unique())]
            figure.update_xaxes(type="category", categoryarray=order, **place)
        elif values.notna().any():
            ticks = ticks_of(values.dropna(), scale)
            texts = [label(tick) for tick in ticks]
            figure.update_xaxes(type=scale.kind, tickvals=ticks, ticktext=texts, **place)
    figure.update_yaxes(title_text=label(with_unit(metric, frame)), col=1)
    best = runs.iloc[0]
    return finish(
        figure,
        title=f"{metric} against each hyperparameter",
        subtitle=f"{count(len(runs), 'run')}, a dot each in every panel; the large one is the best",
        alt=(
            f"{metric} of {count(len(runs), 'finished run')} against {listed(parameters)}, a panel "
            f"each, from {value_text(runs[metric].min())} to {value_text(runs[metric].max())}. "
            f"Best: {value_text(best[metric])} with {point_text(best, parameters)}."
        ),
        height=140 + 240 * rows,
        theme=theme,
    )


def _places(values: pd.Series, scale: Scale) -> pd.Series:
    """Return the runs' coordinates along an axis; a run without one is drawn in other panels."""
    if scale.kind == "category":
        return levels(values, scale).map(escaped, na_action="ignore")
    return numbers(values, scale)
