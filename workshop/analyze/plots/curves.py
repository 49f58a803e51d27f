"""Learning curves of runs, and curves of the best result against the number of runs."""

import math
from collections.abc import Collection, Iterable, Mapping

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workshop.analyze.plots.style import (
    LIGHT,
    escaped,
    finish,
    label,
    message,
    shades,
    shortened,
    value_text,
    with_unit,
)
from workshop.trainer.metrics import EPOCH
from workshop.wording import count, listed

LONGEST_IN_TWO, LONGEST_NAME = 24, 95
"""How long names in a legend of two columns, and of one, can be.  Two columns also fit where the
figure is narrowest, in a picker of runs."""

MOST_LINES = 24
"""With more runs than colors, runs of about the same rank share a line's shade."""

MARKED = 30
"""Up to this many runs, each has a marker on the line."""

DASHES = ("solid", "dot", "dash", "longdashdot", "dashdot")
"""The line styles of the search methods, so that they can be told apart without color."""


def learning_curves(
    history: pd.DataFrame,
    labels: Mapping[str, str] | None = None,
    stopped_early: Collection[str] = (),
) -> go.Figure:
    """Draw what runs logged, a panel per metric and a line per run.

    With many runs the color is the rank of the last value in the last panel, from green (low)
    to violet (high), and hovering names a run; with few, each has a color and a legend entry.

    Args:
        history: `run`, `step` and a column per metric, as `analyze.history` returns it.  The
            x axis is `Epoch` if that was logged, else the step; what was not has no panel.
        labels: what to call each run, see `run_labels`; the run IDs if left out.
        stopped_early: the runs that were stopped early, whose last values become crosses; see the
            column `stopped_early` of `analyze.fetch_runs`.
    """
    wanted = [column for column in history if column not in ("run", "step", EPOCH)]
    metrics = [metric for metric in wanted if history[metric].notna().any()]
    if history.empty:
        return message("These runs have logged nothing yet.")
    if not metrics:
        return message(f"These runs have logged none of {', '.join(wanted)}.")
    missing = [metric for metric in wanted if metric not in metrics]
    x = EPOCH if EPOCH in history and history[EPOCH].notna().any() else "step"
    last = history.dropna(subset=metrics[-1]).groupby("run")[metrics[-1]].last()
    runs = list(last.sort_values(ascending=False).index)
    runs += [run for run in history["run"].unique() if run not in runs]
    few = len(runs) <= len(LIGHT.colors)
    # One line may hold many runs, because a thousand lines take seconds to draw.
    size = 1 if few else math.ceil(len(runs) / MOST_LINES)
    groups = [runs[start : start + size] for start in range(0, len(runs), size)]
    colors = LIGHT.colors if few else shades(pd.Series(range(len(groups))), "minimize", LIGHT)
    names = {run: shortened((labels or {}).get(run, run), LONGEST_NAME) for run in runs}
    legend_columns = 2 if max(map(len, names.values())) <= LONGEST_IN_TWO else 1
    names = {run: escaped(name) for run, name in names.items()}
    figure = make_subplots(cols=len(metrics), horizontal_spacing=0.09)
    for column, metric in enumerate(metrics, start=1):
        known = history.dropna(subset=metric)
        named = known.assign(run=known["run"].map(names))
        logged = dict(iter(named.groupby(known["run"])))
        for group, color in zip(groups, colors, strict=False):
            parts = [logged[run] for run in group if run in logged]
            figure.add_scatter(
                x=_joined(parts, x),
                y=_joined(parts, metric),
                text=_joined(parts, "run"),
                mode="lines+markers",
                line={"color": color, "width": 2.5 if few else 1.5},
                marker_size=6 if few else 4,
                name=names[group[0]],
                legendgroup=group[0],
                showlegend=few and column == 1,
                hovertemplate=f"%{{text}}<br>{x} %{{x}}: %{{y:.4g}}<extra></extra>",
                row=1,
                col=column,
            )
        ends = named[known["run"].isin(stopped_early)].groupby("run", sort=False).tail(1)
        if len(ends):
            figure.add_scatter(
                x=ends[x],
                y=ends[metric],
                text=ends["run"],
                mode="markers",
                marker={"symbol": "x", "size": 10, "color": LIGHT.ink},
                name="stopped early by the sweep",
                legendgroup="stopped early",
                showlegend=few and column == 1,
                hovertemplate=f"%{{text}}<br>stopped early, {x} %{{x}}: %{{y:.4g}}<extra></extra>",
                row=1,
                col=column,
            )
    for column, metric in enumerate(metrics, start=1):
        figure.update_yaxes(title_text=label(with_unit(metric, history)), col=column)
    # Whole epochs, at most about six labels in a panel.
    span = history[x].max() - history[x].min()
    figure.update_xaxes(title_text=x, dtick=max(1, math.ceil(span / 6)))
    stopped = len(set(runs) & set(stopped_early))
    ends = f"{metrics[-1]} ends between {value_text(last.min())} and {value_text(last.max())}"
    return finish(
        figure,
        title="Learning curves",
        subtitle=(
            f"In the legend the highest last {metrics[-1]} comes first"
            if few
            else f"One line per run, violet with the highest last {metrics[-1]}, green the lowest"
        ),
        alt=(
            f"Learning curves of {count(len(runs), 'run')}, by {x}: {listed(metrics)}. "
            + f"{ends}."
            + (f" No {listed(missing)} was logged." if missing else "")
            + (f" {count(stopped, 'run')} stopped early by the sweep." if stopped else "")
        ),
        height=400,
        legend_columns=legend_columns,
    )


def best_so_far(table: pd.DataFrame, metric: str) -> go.Figure:
    """Draw what stopping a sweep after any number of runs would have cost.

    The line with points is the best result in the order in which the runs came; the other is
    the mean over all orders, in the band that nine of ten orders stay within.

    Args:
        table: what `analyze.best_so_far` returned.
        metric: the metric that it was computed for.
    """
    if table.empty:
        return message(f"No run has finished with a {metric} yet.")
    blue, orange = LIGHT.colors[:2]
    figure = go.Figure()
    _add_band(figure, table, blue)
    few = len(table) <= MARKED
    for column, name, color, options in (
        ("expected", "in any order, mean and 90 % band", blue, {"dash": "dash"}),
        ("in_order", "in the order in which the runs came", orange, {"shape": "hv"}),
    ):
        figure.add_scatter(
            x=table["runs"],
            y=table[column],
            mode="lines+markers" if few and column == "in_order" else "lines",
            line={"color": color, "width": 2.5} | options,
            marker_size=6,
            name=name,
            showlegend=True,
            hovertemplate=f"after %{{x}} runs: %{{y:.4g}}<extra>{name}</extra>",
        )
    last, half = table.iloc[-1], table.iloc[(len(table) - 1) // 2]
    loss = (
        f"after {half['runs']:.0f} there might be no result at all"
        if math.isnan(half["low"])
        else f"stopping after {half['runs']:.0f} would have cost {half['lost']:.2g} on average"
    )
    _finish_runs(figure, len(table), with_unit(metric, table))
    return finish(
        figure,
        title="What stopping earlier would have cost",
        subtitle=f"Best {metric} against the runs done; {loss}",
        alt=(
            f"Best {metric} so far against the number of runs done, 1 to {len(table)}: "
            f"{value_text(last['in_order'])} after all; {loss}."
        ),
        height=400,
    )


def method_comparison(table: pd.DataFrame, metric: str) -> go.Figure:
    """Draw the best result against the number of runs, for each search method.

    The first panel shows everything, the second one its top, where good methods differ.

    Args:
        table: what `search_methods.compare` returned.
        metric: the metric that was searched by, to be maximized.
    """
    if table.empty:
        return message("No search method has been tried yet.")
    methods = dict(iter(table.groupby("method", sort=False)))
    colors = dict(zip(methods, LIGHT.colors, strict=False))
    runs, top = table["runs"].max(), table["high"].max()
    figure = make_subplots(cols=2, horizontal_spacing=0.1)
    ends = []
    for column in (1, 2):
        # All bands first, so that no band hides a line.
        for method, chosen in methods.items():
            if chosen["searches"].iloc[0] > 1:
                _add_band(figure, chosen, colors[method], row=1, col=column)
        for (method, chosen), dash in zip(methods.items(), DASHES, strict=False):
            searches, shown = chosen["searches"].iloc[0], label(method)
            figure.add_scatter(
                x=chosen["runs"],
                y=chosen["middle"],
                mode="lines",
                line={"color": colors[method], "width": 2.5, "dash": dash},
                name=shown if searches == 1 else f"{shown}, {searches} searches",
                legendgroup=shown,
                showlegend=column == 1,
                hovertemplate=f"{shown}, %{{x}} runs: %{{y:.4g}}<extra></extra>",
                row=1,
                col=column,
            )
    for method, chosen in methods.items():
        values = chosen.set_index("runs")["middle"]
        ends.append(f"{method} {value_text(values.iloc[min(10, len(values)) - 1])}")
    _finish_runs(figure, runs, with_unit(metric, table))
    # The median of random search after a few runs is where the top begins.
    bottom = table.loc[(table["method"] == "random") & (table["runs"] >= 5), "middle"].min()
    figure.update_yaxes(title_text="", range=[bottom, top + 0.05 * (top - bottom)], col=2)
    figure.update_xaxes(dtick=math.ceil(runs / 5))
    return finish(
        figure,
        title="Search methods on the same recorded runs",
        subtitle=(
            "Best so far: median over the searches, and the band that nine of ten stay within; "
            "right: the top"
        ),
        alt=(
            f"Best {metric} so far of each search method, median over its searches; after ten "
            f"runs: {listed(ends)}."
        ),
        height=400,
        legend_columns=2,
    )


def _joined(parts: Iterable[pd.DataFrame], column: str) -> list:
    """Return a column of several frames, with a gap between two of them that breaks a line."""
    joined = []
    for part in parts:
        joined += [*part[column].tolist(), None]
    return joined[:-1]


def _add_band(figure: go.Figure, table: pd.DataFrame, color: str, **place: int) -> None:
    """Fill the area between `low` and `high`."""
    known = table.dropna(subset=["low", "high"])
    figure.add_scatter(
        x=[*known["runs"], *known["runs"][::-1]],
        y=[*known["high"], *known["low"][::-1]],
        mode="lines",
        line_width=0,
        fill="toself",
        fillcolor=_faint(color),
        hoverinfo="skip",
        showlegend=False,
        **place,
    )


def _faint(color: str) -> str:
    """Return a color `#rrggbb` as a translucent one."""
    red, green, blue = (int(color[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.18)"


def _finish_runs(figure: go.Figure, runs: int, title: str) -> None:
    figure.update_yaxes(title_text=label(title))
    # Whole runs, at most about ten labels.
    figure.update_xaxes(
        title_text="Runs done", dtick=max(1, math.ceil(runs / 10)), range=[0.5, runs + 0.5]
    )
