"""Hyperband's brackets over learning curves: which runs were stopped, and where."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from workshop.analyze.plots.style import LIGHT, Theme, escaped, finish, label, message, with_unit
from workshop.wording import count, listed


def hyperband(
    table: pd.DataFrame,
    curves: Mapping[Any, Sequence[float]],
    brackets: pd.DataFrame,
    metric: str,
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw learning curves as far as early termination lets them go.

    A stopped curve ends in a cross, and its continuation is a thin dotted line.  The brackets, at
    which runs are compared, are vertical lines.

    Args:
        table: the result of `search_methods.stop_early`.
        curves: its input.
        brackets: the result of `search_methods.brackets` for the same settings.
        metric: the metric of the curves.
        theme: the theme of the figure.
    """
    if table.empty:
        return message("There are no runs to compare.")
    blue, orange = theme.colors[:2]
    figure = go.Figure()
    for stopped, color in ((True, orange), (False, blue)):
        chosen = table[table["stopped"] == stopped]
        parts = [(run, row.epochs, curves[run]) for run, row in chosen.iterrows()]
        if stopped:
            figure.add_scatter(
                **_lines((run, values, epochs) for run, epochs, values in parts),
                mode="lines",
                line={"color": theme.soft, "width": 1, "dash": "dot"},
                opacity=0.5,
                name="without stopping",
                showlegend=bool(parts),
                hoverinfo="skip",
            )
        figure.add_scatter(
            **_lines((run, values[:epochs], 1) for run, epochs, values in parts),
            mode="lines",
            line={"color": color, "width": 1.5 if stopped else 2.5},
            name="stopped early" if stopped else "complete",
            showlegend=bool(parts),
            hovertemplate="run %{text}, epoch %{x}: %{y:.4g}<extra></extra>",
        )
        if stopped:
            figure.add_scatter(
                x=[epochs for _, epochs, _ in parts],
                y=[values[epochs - 1] for _, epochs, values in parts],
                mode="markers",
                marker={"symbol": "x", "size": 8, "color": color},
                showlegend=False,
                hoverinfo="skip",
            )
    for bracket in brackets.itertuples():
        figure.add_vline(x=bracket.epoch, line={"color": theme.ink, "width": 1, "dash": "dash"})
        figure.add_annotation(
            x=bracket.epoch,
            y=1,
            yref="y domain",
            yanchor="bottom",
            text=f"bracket {bracket.Index}",
            showarrow=False,
            font={"size": 12, "color": theme.soft},
        )
    longest = int(table["of"].max())
    figure.update_xaxes(title_text="Epoch", range=[0.8, longest + 0.2], dtick=max(1, longest // 9))
    figure.update_yaxes(title_text=label(with_unit(metric, table)))
    stops = int(table["stopped"].sum())
    saved = 1 - table["epochs"].sum() / table["of"].sum()
    where = f"compared after {listed(map(str, brackets['epoch']))} epochs" if len(brackets) else ""
    return finish(
        figure,
        title=f"Hyperband stopped {stops} of {count(len(table), 'run')}",
        subtitle=escaped(f"{100 * saved:.0f} % of the epochs saved; {where or 'never compared'}"),
        alt=(
            f"Learning curves of {count(len(table), 'run')} ({metric}), "
            f"{where or 'never compared'}: {stops} stopped early, "
            f"{100 * saved:.0f} % of the epochs saved."
        ),
        height=420,
        legend_columns=3,
        theme=theme,
    ).update_layout(margin_t=100)


def _lines(parts: Iterable[tuple[Any, Sequence[float], int]]) -> dict[str, list]:
    """Return curves as one line with gaps, from each run, its values, and its first epoch."""
    line: dict[str, list] = {"x": [], "y": [], "text": []}
    for run, values, first in parts:
        line["x"] += [*range(first, len(values) + 1), None]
        line["y"] += [*values[first - 1 :], None]
        line["text"] += [escaped(run)] * (len(values) - first + 1) + [None]
    return line
