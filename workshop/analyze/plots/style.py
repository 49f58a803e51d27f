"""The style of all figures: light and dark themes, fonts, and texts.

Plotly interprets some HTML in every text (https://plotly.com/chart-studio-help/adding-HTML-and-links-to-charts/),
so names and values from users go through `escaped` before they are shown.
"""

import html
import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from sweepserver.search import NULL
from workshop.define.schema import unit

GRAY = "#888888"
"""Readable on light and dark backgrounds."""

LONGEST_LABEL = 40


@dataclass(frozen=True)
class Theme:
    """The colors for a light or a dark background.

    Attributes:
        ink: text.
        soft: secondary text.
        line: axes.
        grid: lines and areas behind the data.
        halo: the background of text on top of data.
        colors: a palette that is safe for color-blind readers (Okabe and Ito's).
        scale: the best and the worst end on Viridis, with as much contrast as possible.
        best: a word for the best run's color compared with the others.
    """

    ink: str
    soft: str
    line: str
    grid: str
    halo: str
    colors: tuple[str, ...]
    scale: tuple[float, float]
    best: str


# Gray replaces Okabe and Ito's yellow, which is too pale on white; in the dark theme yellow
# replaces their black.  Viridis leaves out the end without contrast to the background.
LIGHT = Theme(
    ink="#222222",
    soft="#555555",
    line="#444444",
    grid="#e6e6e6",
    halo="rgba(255, 255, 255, 0.85)",
    colors=(
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", GRAY,
    ),
    scale=(0, 0.82),
    best="darkest",
)  # fmt: skip
DARK = Theme(
    ink="#e6e9ef",
    soft="#a3adbc",
    line="#8a94a3",
    grid="#353c48",
    halo="rgba(25, 29, 35, 0.85)",
    colors=(
        "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442", GRAY,
    ),
    scale=(1, 0.3),
    best="brightest",
)  # fmt: skip

_FONT = {"family": "system-ui, Helvetica, Arial, sans-serif", "size": 14}


def shades(values: pd.Series, goal: str, theme: Theme) -> list[str]:
    """Return a color per value, from the best one's to the worst one's."""
    best, worst = theme.scale
    distance = values.max() - values if goal == "maximize" else values - values.min()
    share = distance / (distance.max() or 1)
    return sample_colorscale("Viridis", list(best + share * (worst - best)))


def finish(
    figure: go.Figure,
    *,
    title: str,
    subtitle: str | None,
    alt: str,
    height: int,
    legend_columns: int = 1,
    theme: Theme = LIGHT,
) -> go.Figure:
    """Apply the common layout to a figure; `height` is without the legend."""
    entries = sum(bool(trace.showlegend) for trace in figure.data)
    legend = 32 * math.ceil(entries / legend_columns)
    height += legend
    axis = {
        "gridcolor": theme.grid,
        "zeroline": False,
        "linecolor": theme.line,
        "ticks": "outside",
        "tickcolor": theme.line,
        "title": {"standoff": 10, "font_size": 14},
    }
    figure.update_xaxes(axis)
    figure.update_yaxes(axis)
    figure.update_layout(
        template="none",
        title={
            "text": escaped(title),
            "subtitle": {
                "text": subtitle and escaped(subtitle),
                "font": {"size": 13, "color": theme.soft},
            },
            "x": 0.01,
            "font_size": 18,
        },
        font=_FONT | {"color": theme.ink},
        height=height,
        margin={"l": 60, "r": 30, "t": 80, "b": 60 + legend},
        hoverlabel_align="left",
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 8 / height,
            "yanchor": "bottom",
            "entrywidthmode": "fraction",
            "entrywidth": 0.95 / legend_columns,
        },
        meta={"alt": alt},
    )
    return figure


def message(sentence: str) -> go.Figure:
    """Return an empty figure with a sentence on why there is nothing to draw."""
    figure = go.Figure()
    lines = map(escaped, textwrap.wrap(sentence, 90))
    figure.add_annotation(text="<br>".join(lines), x=0.5, y=0.5, showarrow=False, font_size=16)
    figure.update_xaxes(visible=False, range=[0, 1])
    figure.update_yaxes(visible=False, range=[0, 1])
    return finish(figure, title="Nothing to draw yet", subtitle=None, alt=sentence, height=200)


def escaped(text: object) -> str:
    """Return a text escaped for plotly, which then shows it literally."""
    return html.escape(str(text), quote=False).replace("%{", "%&#123;")


def label(value: object) -> str:
    """Return a value as a short, escaped text."""
    return escaped(shortened(value_text(value), LONGEST_LABEL))


def shortened(text: str, longest: int) -> str:
    """Return a text, cut off after a number of letters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def wrapped(name: str) -> str:
    """Return a name escaped, in lines of about 12 characters broken at spaces and underscores."""
    lines = textwrap.wrap(name.replace("_", "_ "), 12, break_long_words=False)
    return "<br>".join(label(line.replace("_ ", "_")) for line in lines)


def value_text(value: object) -> str:
    """Return a value with at most four digits, for a sentence; None is a null."""
    if value is None:
        return NULL
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def point_text(point: Mapping, parameters: Iterable[str]) -> str:
    """Return the values of a run or a point as in `optimizer adam, momentum 0.9`.

    A parameter that the point lacks, for example in a conditional search space, is left out.
    """
    known = (name for name in parameters if point[name] == point[name])  # not NaN
    return ", ".join(f"{name} {value_text(point[name])}" for name in known)


def with_unit(metric: str, frame: pd.DataFrame) -> str:
    """Return a metric as an axis names it, with its unit if it has one.

    Args:
        metric: its name.
        frame: what is drawn; `attrs["definition"]` is the sweep configuration, if it has one.
    """
    found = unit(metric, frame.attrs.get("definition") or {})
    return f"{metric} ({found})" if found else metric


def result_text(metric: str, value: object, definition: Mapping) -> str:
    """Return a metric with its value as in `Validation Accuracy 93.4 %`."""
    return f"{metric} {value_text(value)} {unit(metric, definition)}".rstrip()
