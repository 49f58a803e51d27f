"""The means of points over their seeds, with intervals."""

import textwrap
from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from workshop.analyze.plots.style import (
    LIGHT,
    Theme,
    escaped,
    finish,
    message,
    point_text,
    value_text,
    with_unit,
)
from workshop.wording import count

MOST_POINTS = 20
"""How many of the best points are drawn: rows that fit on a screen."""

NO_BREAK = "\xa0"

LONGEST_LINE = 44
"""In letters; a point's values take as many lines as they need."""


def point_intervals(
    table: pd.DataFrame,
    metric: str,
    parameters: Iterable[str],
    chosen: pd.DataFrame | None = None,
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw the mean of each point over its seeds, with its confidence interval, the best on top.

    To the right of the panel is the probability that the point is the best one.

    Args:
        table: the result of `analyze.rank_points`.
        metric: the metric that it was computed for.
        parameters: the names of a point's parameters.
        chosen: the result of `analyze.rank_points` for the sweep that the points were chosen from;
            each point's mean there becomes a hollow marker.
        theme: the theme of the figure.
    """
    if table.empty:
        return message(f"No run has finished with a {metric} yet.")
    parameters = [name for name in parameters if name in table and name != "seed"]
    points = table[:MOST_POINTS]
    texts = [_text(row, parameters) for _, row in points.iterrows()]
    rows = [_lines(f"{rank}. {text}") for rank, text in enumerate(texts, 1)]
    blue, orange = theme.colors[:2]
    figure = go.Figure()
    if chosen is not None:
        before = {_text(row, parameters): row["mean"] for _, row in chosen.iterrows()}
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
        customdata=[
            f"{escaped(text)}<br>{count(number, 'run')}"
            for text, number in zip(texts, points["runs"], strict=True)
        ],
        name="mean over its seeds, 95 % confidence",
        showlegend=chosen is not None,
        hovertemplate="%{customdata}, mean %{x:.4g}<extra></extra>",
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
    figure.update_xaxes(title_text=escaped(with_unit(metric, table)))
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
        height=160 + len(points) * (16 + 18 * max(row.count("<br>") + 1 for row in rows)),
        theme=theme,
    ).update_layout(margin_r=80)


def _text(point: pd.Series, parameters: Iterable[str]) -> str:
    """Return a point's values; in a sweep that varies only seeds, a point has none."""
    return point_text(point, parameters) or "all runs"


def _lines(text: str) -> str:
    """Return a point's values as escaped lines of limited length; a value stays with its name."""
    pairs = text.replace(" ", NO_BREAK).replace(f",{NO_BREAK}", ", ")
    lines = textwrap.wrap(pairs, LONGEST_LINE)
    return "<br>".join(escaped(line.replace(NO_BREAK, " ")) for line in lines)


def _changes(points: pd.DataFrame, texts: list[str], before: dict[str, float]) -> str:
    """Return how each point's mean has changed since it was chosen."""
    moves = [
        f"{text} from {value_text(before[text])} to {value_text(mean)}"
        for text, mean in zip(texts, points["mean"], strict=True)
        if text in before
    ]
    return f" Since they were chosen: {'; '.join(moves)}." if moves else ""
