"""What all figures have in common: colours on light and on dark ground, fonts, words.

Plotly takes a little HTML in every text (https://plotly.com/chart-studio-help/adding-HTML-and-links-to-charts/),
so what users named or logged goes through `escaped` before it stands in a figure.
"""

import html
import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from workshop.server.search import NULL

GREY = "#888888"
"""Readable on light and on dark ground."""

LONGEST_LABEL = 40

UNITS = {"Validation Accuracy": "%", "Epoch Seconds": "s"}
"""Of what the trainer logs; losses have none."""


@dataclass(frozen=True)
class Theme:
    """Colours for one kind of ground.

    Attributes:
        ink: text.
        soft: text of less weight.
        line: axes.
        grid: lines and areas behind the data.
        halo: what lies behind text that stands on data.
        colours: told apart by colour-blind readers (Okabe and Ito's).
        scale: where the best and the worst lie on Viridis, as far from the ground as can be.
        best: what the colour of the best is called beside the others.
    """

    ink: str
    soft: str
    line: str
    grid: str
    halo: str
    colours: tuple[str, ...]
    scale: tuple[float, float]
    best: str


# Grey stands for Okabe and Ito's yellow, which is too pale on white; on dark ground yellow for
# their black.  Viridis goes without the end that the ground swallows.
LIGHT = Theme(
    ink="#222222",
    soft="#555555",
    line="#444444",
    grid="#e6e6e6",
    halo="rgba(255, 255, 255, 0.85)",
    colours=(
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", GREY,
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
    colours=(
        "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442", GREY,
    ),
    scale=(1, 0.3),
    best="brightest",
)  # fmt: skip

_FONT = {"family": "system-ui, Helvetica, Arial, sans-serif", "size": 14}


def shades(values: pd.Series, goal: str, theme: Theme) -> list[str]:
    """Return a colour per value, from that of the best to that of the worst."""
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
    """Add to a figure what all have in common; `height` is without that of the legend."""
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
    """Return a figure that says why there is nothing to draw."""
    figure = go.Figure()
    lines = map(escaped, textwrap.wrap(sentence, 90))
    figure.add_annotation(text="<br>".join(lines), x=0.5, y=0.5, showarrow=False, font_size=16)
    figure.update_xaxes(visible=False, range=[0, 1])
    figure.update_yaxes(visible=False, range=[0, 1])
    return finish(figure, title="Nothing to draw yet", subtitle=None, alt=sentence, height=200)


def escaped(text: object) -> str:
    """Return a text as plotly shows it letter by letter: no tags, no places for values."""
    return html.escape(str(text), quote=False).replace("%{", "%&#123;")


def label(value: object) -> str:
    """Return a value as a short, escaped text."""
    return escaped(shortened(value_text(value), LONGEST_LABEL))


def shortened(text: str, longest: int) -> str:
    """Return a text, cut off where it is longer than that."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def wrapped(name: str) -> str:
    """Return a name escaped, in lines of about 12 characters broken at spaces and underscores."""
    lines = textwrap.wrap(name.replace("_", "_ "), 12, break_long_words=False)
    return "<br>".join(label(line.replace("_ ", "_")) for line in lines)


def value_text(value: object) -> str:
    """Return a value with at most four digits, as it stands in a sentence; None is a null."""
    if value is None:
        return NULL
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def point_text(point: Mapping, parameters: Iterable[str]) -> str:
    """Return the values of a run or a point as in `optimizer adam, momentum 0.9`."""
    return ", ".join(f"{name} {value_text(point[name])}" for name in parameters)


def with_unit(metric: str) -> str:
    """Return a metric as an axis names it, with its unit if it has one."""
    return f"{metric} ({UNITS[metric]})" if metric in UNITS else metric


def count(number: int, noun: str) -> str:
    """Return a number of things such as `1 run` or `2 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Iterable[str]) -> str:
    """Return names as `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
