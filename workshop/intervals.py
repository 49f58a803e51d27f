"""The means of points over their seeds, with intervals."""

from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from workshop.style import (
    LIGHT,
    Theme,
    count,
    escaped,
    finish,
    message,
    point_text,
    shortened,
    value_text,
    with_unit,
)

MOST_POINTS = 20
"""The best of more points are drawn: rows that a screen holds."""

LONGEST_POINT = 44


def point_intervals(
    table: pd.DataFrame,
    metric: str,
    parameters: Iterable[str],
    chosen: pd.DataFrame | None = None,
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw the mean of each point over its seeds, with its confidence interval, the best on top.

    Behind the panel stands the probability that the point is the best one.

    Args:
        table: what `analysis.rank_points` returned.
        metric: the metric that it was computed for.
        parameters: the names of those that make a point.
        chosen: what `analysis.rank_points` returned for the sweep that the points were chosen
            from; the mean that each had there becomes a hollow mark.
        theme: the ground that the figure is for.
    """
    if table.empty:
        return message(f"No run has finished with a {metric} yet.")
    parameters = [name for name in parameters if name in table and name != "seed"]
    points = table[:MOST_POINTS]
    texts = [point_text(row, parameters) for _, row in points.iterrows()]
    rows = [
        f"{rank}. {escaped(shortened(text, LONGEST_POINT))}" for rank, text in enumerate(texts, 1)
    ]
    blue, orange = theme.colours[:2]
    figure = go.Figure()
    if chosen is not None:
        before = {point_text(row, parameters): row["mean"] for _, row in chosen.iterrows()}
        figure.add_scatter(
            x=[before.get(text) for text in texts],
            y=rows,
            mode="markers",
            marker={"symbol": "circle-open", "size": 11, "color": orange, "line_width": 2},
            name="when it was chosen",
            showlegend=True,
            hovertemplate="%{y}<br>when it was chosen: %{x:.4g}<extra></extra>",
        )
    figure.add_scatter(
        x=points["mean"],
        y=rows,
        mode="markers",
        marker={"size": 9, "color": blue},
        error_x={
            "type": "data",
            "array": points["high"] - points["mean"],
            "color": theme.ink,
            "thickness": 1.5,
            "width": 5,
        },
        customdata=[count(number, "run") for number in points["runs"]],
        name="mean over its seeds, 95 % confidence",
        showlegend=chosen is not None,
        hovertemplate="%{y}<br>%{customdata}, mean %{x:.4g}<extra></extra>",
    )
    for row, share in zip(rows, points["probability"], strict=True):
        figure.add_annotation(
            x=1.02,
            xref="x domain",
            y=row,
            text="" if share != share else f"{100 * share:.0f} %",  # NaN
            xanchor="left",
            showarrow=False,
        )
    figure.update_yaxes(
        autorange="reversed", automargin=True, ticksuffix="  ", showgrid=False, type="category"
    )
    figure.update_xaxes(title_text=escaped(with_unit(metric)))
    best = points.iloc[0]
    known = best["probability"] == best["probability"]  # not NaN
    certainty = (
        f"the best with a probability of {100 * best['probability']:.0f} %"
        if known
        else "with one seed for each point, nothing says how certain that is"
    )
    interval = (
        f" ({value_text(best['low'])} to {value_text(best['high'])})" if best["runs"] > 1 else ""
    )
    more = f"; the best {len(points)} of {len(table)}" if len(points) < len(table) else ""
    return finish(
        figure,
        title="Points over their seeds",
        subtitle="Mean and 95 % confidence; right: probability of being the best" + more
        if known
        else "One run each: run the best ones again with new seeds" + more,
        alt=(
            f"{count(len(table), 'point')} by mean {metric} over seeds. First: {texts[0]} with "
            f"{value_text(best['mean'])}{interval} from {count(int(best['runs']), 'run')}, "
            f"{certainty}." + (_changes(points, texts, before) if chosen is not None else "")
        ),
        height=160 + 34 * len(points),
        theme=theme,
    ).update_layout(margin_r=80)


def _changes(points: pd.DataFrame, texts: list[str], before: dict[str, float]) -> str:
    """Say what became of the value with which each point was chosen."""
    moves = [
        f"{text} from {value_text(before[text])} to {value_text(mean)}"
        for text, mean in zip(texts, points["mean"], strict=True)
        if text in before
    ]
    return f" Since they were chosen: {'; '.join(moves)}." if moves else ""
