"""The metric against time: how a sweep found its results."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workshop.analyze.plots.style import (
    GRAY,
    LIGHT,
    Theme,
    escaped,
    finish,
    label,
    message,
    value_text,
    with_unit,
)
from workshop.analyze.ranking import rank
from workshop.wording import count


def scatter(
    frame: pd.DataFrame, metric: str, goal: str = "maximize", theme: Theme = LIGHT
) -> go.Figure:
    """Draw the metric of each run against its start time, and the best so far as a line.

    It is the third figure of W&B's sweep page, besides parallel coordinates and importance.  Runs
    that did not finish with a finite metric are crosses at the bottom.  Its data are those of
    `analyze.best_so_far`.

    Args:
        frame: runs as `analyze.fetch_runs` returns them.
        metric: a column of it.
        goal: `maximize` or `minimize`.
        theme: the theme of the figure.
    """
    ranked = rank(frame, metric, goal).dropna(subset="started")
    if ranked.empty:
        return message(f"No run has finished with a {metric} yet.")
    runs = ranked.sort_values("started", kind="stable")
    others = frame[~frame["run"].isin(ranked["run"])].dropna(subset="started")
    best_so_far = runs[metric].cummax() if goal == "maximize" else runs[metric].cummin()
    blue, orange = theme.colors[:2]
    figure = go.Figure()
    figure.add_scatter(
        x=runs["started"],
        y=best_so_far,
        mode="lines",
        line={"color": orange, "width": 2, "shape": "hv"},
        name="best so far",
        showlegend=True,
        hovertemplate="best so far: %{y:.4g}<extra></extra>",
    )
    figure.add_scatter(
        x=runs["started"],
        y=runs[metric],
        mode="markers",
        marker={"color": blue, "size": 8},
        customdata=[escaped(name) for name in runs["name"]],
        name="a run",
        showlegend=True,
        hovertemplate="%{customdata}: %{y:.4g}<extra></extra>",
    )
    if len(others):
        low, high = runs[metric].min(), runs[metric].max()
        figure.add_scatter(
            x=others["started"],
            y=np.full(len(others), low - 0.1 * ((high - low) or 1)),
            mode="markers",
            marker={
                "color": GRAY,
                "size": 9,
                "symbol": "x-thin",
                "line": {"width": 2, "color": GRAY},
            },
            customdata=[
                f"{escaped(name)} ({escaped(state)})"
                for name, state in zip(others["name"], others["state"], strict=True)
            ],
            name="left out",
            showlegend=True,
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_xaxes(title_text="Started (UTC)", nticks=6)
    figure.update_yaxes(title_text=label(with_unit(metric, frame)))
    improved = int((best_so_far != best_so_far.shift()).sum())
    return finish(
        figure,
        title=f"{metric} against time",
        subtitle=f"A dot per run; the best so far improved {count(improved - 1, 'time')}",
        alt=(
            f"{metric} of {count(len(runs), 'finished run')} in the order of their starts: from "
            f"{value_text(runs[metric].iloc[0])} for the first one to a best of "
            f"{value_text(best_so_far.iloc[-1])}; the best so far improved "
            f"{count(improved - 1, 'time')}."
            + (f" {count(len(others), 'run')} left out." if len(others) else "")
        ),
        height=360,
        legend_columns=3,
        theme=theme,
    )
