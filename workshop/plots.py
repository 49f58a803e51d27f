"""Figures of a sweep: each a function from a frame of `workshop.analysis` to a plotly figure.

Lines and bars are SVG (no WebGL), colours are told apart by colour-blind readers, and every
figure carries its alternative text, which `show` hands on to notebook, picture and HTML.
"""

import base64
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workshop.export import PLOTLY_JSON, WIDTH, png
from workshop.importance import chance_correlation, numbers, rank
from workshop.style import (
    GREY,
    LIGHT,
    Theme,
    count,
    escaped,
    finish,
    label,
    listed,
    message,
    shades,
    value_text,
    wrapped,
)

_STATE_COLOURS = {
    "finished": "#0072B2",
    "running": "#56B4E9",
    "failed": "#D55E00",
    "crashed": "#E69F00",
}

# Where a parallel coordinates line ends that has no metric; the axis reaches from 0 to 1.
_BELOW = -0.14

# Up to so many runs, lines are drawn thick.
_FEW_RUNS = 20

# Up to so many distinct values have a tick each.
_MOST_LEVELS = 6
_TICK_DISTANCE = 0.05

_UNITS = {"Validation Accuracy": "%", "Epoch Seconds": "s"}


def parallel_coordinates(
    frame: pd.DataFrame,
    parameters: Mapping[str, str],
    metric: str,
    goal: str = "maximize",
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw each run as a line through its hyperparameters to its metric.

    Runs that share a value are spread a little around it, so that each line can be followed.
    Finished runs with a finite metric are coloured by it, the best ones darkest (on dark ground
    brightest); the others are grey, dotted, and end below the metric's axis.

    Args:
        frame: runs as `analysis.fetch_runs` returns them.
        parameters: scales by name, as `analysis.hyperparameters` returns them: an axis each.
        metric: the column that the last axis shows.
        goal: `maximize` or `minimize`.
        theme: the ground that the figure is for.
    """
    if not parameters:
        return message("The sweep varies no parameter.")
    ranked = rank(frame, metric, goal)
    if ranked.empty:
        return message(f"No run has finished with a {metric} yet.")
    others = frame[~frame["run"].isin(ranked["run"])]
    runs = pd.concat([ranked, others], ignore_index=True)
    axes = [_axis(name, runs[name], scale) for name, scale in parameters.items()]
    axes.append(_axis(_with_unit(metric), runs[metric][: len(ranked)], "linear", spread=False))
    colours = shades(ranked[metric], goal, theme)
    width = 2.5 if len(runs) <= _FEW_RUNS else 1.5
    figure = go.Figure()
    # The worst come first, so that the best lie on top.
    for number, run in runs.iloc[::-1].iterrows():
        complete = number < len(ranked)
        heights = [axis.heights.get(number, _BELOW) for axis in axes]
        figure.add_scatter(
            x=list(range(len(axes))),
            y=heights,
            mode="lines+markers",
            line={
                "color": colours[number] if complete else GREY,
                "width": width if complete else 1.5,
                "dash": "solid" if complete else "dot",
            },
            marker_size=7 if len(runs) <= _FEW_RUNS else 5,
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
            y=1.04,
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
    bottom, top = (_BELOW if len(others) else 0) - 0.06, 1.22 if narrow else 1.14
    figure.update_yaxes(visible=False, range=[bottom, top])
    best = ranked.iloc[0]
    described = ", ".join(f"{name} {value_text(best[name])}" for name in parameters)
    return finish(
        figure,
        title=f"From {count(len(parameters), 'hyperparameter')} to {metric}",
        subtitle=f"One line per run, the {theme.best} is the best"
        + ("; dotted: left out" if len(others) else ""),
        alt=(
            f"Parallel coordinates of {count(len(ranked), 'finished run')} over "
            f"{listed([*parameters, metric])}. Best: {metric} {value_text(best[metric])} with "
            f"{described}; worst: {value_text(ranked[metric].iloc[-1])}."
            + (f" {count(len(others), 'run')} left out." if len(others) else "")
        ),
        height=440,
        theme=theme,
    ).update_layout(margin={"l": 110, "r": 80, "b": 20})


def importance_bars(table: pd.DataFrame, metric: str, theme: Theme = LIGHT) -> go.Figure:
    """Draw importance and correlation side by side, a row per parameter.

    Behind the correlations lies the range that chance alone reaches with so few runs; a
    parameter without numbers has its remark in place of a bar.

    Args:
        table: what `analysis.importance` returned.
        metric: the metric that it was computed for.
        theme: the ground that the figure is for.
    """
    drawn = table[table["importance"].notna()]
    if drawn.empty:
        return message(" ".join(table["remark"].unique()) or "The sweep varies no parameter.")
    runs = int(table["runs"].iloc[0])
    chance = chance_correlation(runs)
    texts = table[["importance", "correlation"]].map("{:.2f}".format).where(table.notna(), "")
    texts["correlation"] += table["category"].map(lambda name: f" ({label(name)})" if name else "")
    names = [label(name) for name in table.index]
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.08)
    for column, (key, colour) in enumerate(
        [("importance", theme.colours[0]), ("correlation", theme.colours[1])], start=1
    ):
        figure.add_bar(
            x=table[key].fillna(0),
            y=names,
            orientation="h",
            marker_color=colour,
            text=texts[key],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{text}<extra></extra>",
            width=0.55,
            showlegend=False,
            row=1,
            col=column,
        )
    for name, remark in table.loc[table["importance"].isna(), "remark"].items():
        figure.add_annotation(
            x=0,
            y=label(name),
            text=f" {escaped(remark)}",
            xanchor="left",
            showarrow=False,
            font_color=theme.soft,
        )
    figure.add_vrect(
        x0=-chance, x1=chance, fillcolor=theme.grid, line_width=0, layer="below", row=1, col=2
    )
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix="  ", showgrid=False)
    figure.update_yaxes(ticks="", col=2)
    figure.update_xaxes(title_text="Importance", range=[0, 1.2], dtick=0.5, col=1)
    figure.update_xaxes(title_text="Correlation", range=[-1.4, 1.4], dtick=1, col=2)
    figure.update_xaxes(tickangle=0)
    rows = [
        f"{name} {row['importance']} and {row['correlation']}"
        for name, row in texts.loc[drawn.index].iterrows()
    ]
    return finish(
        figure,
        title=f"What moved {metric}",
        subtitle=f"From {runs} runs; within ±{chance:.2f} (grey) a correlation may be chance (5 %)",
        alt=f"Bars of importance and correlation with {metric}, {runs} runs: {'; '.join(rows)}.",
        height=170 + 44 * len(table),
        theme=theme,
    ).update_layout(margin_r=80 if table["category"].any() else 40)


def learning_curves(history: pd.DataFrame, labels: Mapping[str, str] | None = None) -> go.Figure:
    """Draw what runs logged, a panel per metric and a line per run.

    With many runs the colour is the rank of the last value in the last panel, from green (low)
    to violet (high), and hovering names a run; with few, each has a colour and a legend entry.

    Args:
        history: `run`, `step` and a column per metric, as `analysis.history` returns it.  The
            x axis is `Epoch` if that is among them, else the step.
        labels: what to call each run, see `run_labels`; the run IDs if left out.
    """
    x = "Epoch" if "Epoch" in history else "step"
    metrics = [column for column in history if column not in ("run", "step", "Epoch")]
    if history.empty:
        return message("These runs have logged nothing yet.")
    last = history.dropna(subset=metrics[-1]).groupby("run")[metrics[-1]].last()
    runs = list(last.sort_values(ascending=False).index)
    runs += [run for run in history["run"].unique() if run not in runs]
    few = len(runs) <= len(LIGHT.colours)
    colours = LIGHT.colours if few else shades(pd.Series(range(len(runs))), "minimize", LIGHT)
    figure = make_subplots(cols=len(metrics), horizontal_spacing=0.09)
    for run, colour in zip(runs, colours, strict=False):
        name = escaped((labels or {}).get(run, run))
        for column, metric in enumerate(metrics, start=1):
            points = history[history["run"] == run].dropna(subset=metric)
            figure.add_scatter(
                x=points[x],
                y=points[metric],
                mode="lines+markers",
                line={"color": colour, "width": 2.5 if few else 1.5},
                marker_size=6 if few else 4,
                name=name,
                legendgroup=run,
                showlegend=few and column == 1,
                hovertemplate=f"{name}<br>{x} %{{x}}: %{{y:.4g}}<extra></extra>",
                row=1,
                col=column,
            )
    for column, metric in enumerate(metrics, start=1):
        figure.update_yaxes(title_text=label(_with_unit(metric)), col=column)
    # Whole epochs, at most about six labels in a panel.
    span = history[x].max() - history[x].min()
    figure.update_xaxes(title_text=x, dtick=max(1, math.ceil(span / 6)))
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
            + (f"{ends}." if len(last) else f"No {metrics[-1]} was logged.")
        ),
        height=400,
        legend_columns=2,
    )


def task_timeline(frame: pd.DataFrame) -> go.Figure:
    """Draw when each run ran: a bar per run, a line per SLURM array task.

    Runs outside SLURM are put on as few lines as have room for them: as many as ran at once.
    What is between the bars is not training: starting Python, waiting for the agent's next
    heartbeat, or for SLURM.

    Args:
        frame: runs as `analysis.fetch_runs` returns them; those that never started are left out.
    """
    runs = frame.dropna(subset=["started", "seconds"]).sort_values("started")
    if runs.empty:
        return message("No run of this sweep has started yet.")
    begin = (runs["started"] - runs["started"].min()).dt.total_seconds()
    lanes = _lanes(runs["array_task"], begin, begin + runs["seconds"])
    names = sorted(lanes.unique(), key=_numbers)
    figure = go.Figure()
    for state, chosen in runs.groupby("state"):
        figure.add_bar(
            base=begin[chosen.index],
            x=chosen["seconds"],
            y=lanes[chosen.index],
            orientation="h",
            width=0.7,
            name=escaped(state),
            showlegend=runs["state"].nunique() > 1,
            marker_color=_STATE_COLOURS.get(state, GREY),
            marker_line={"color": "white", "width": 1},
            text=chosen["name"].map(escaped),
            textposition="inside",
            insidetextanchor="middle",
            customdata=chosen["host"].map(escaped),
            hovertemplate=(
                "%{text} on %{customdata}<br>from %{base:.1f} s for %{x:.1f} s<extra></extra>"
            ),
        )
    span = (begin + runs["seconds"]).max()
    busy = runs["seconds"].sum() / (span * len(names))
    kind = "array task" if runs["array_task"].notna().all() else "slot"
    figure.update_yaxes(
        title_text=kind.capitalize(),
        type="category",
        categoryorder="array",
        categoryarray=names[::-1],
        automargin=True,
        ticksuffix=" ",
        dtick=1,
        showgrid=False,
    )
    figure.update_xaxes(title_text="Time since the first run started (s)", range=[0, span * 1.02])
    figure.update_layout(uniformtext={"minsize": 10, "mode": "hide"}, barmode="overlay")
    occupied = f"{count(len(names), kind)} busy {100 * busy:.0f} % of {span:.0f} s"
    return finish(
        figure,
        title=f"{count(len(runs), 'run')} on {count(len(names), kind)}",
        subtitle=f"{occupied}; the gaps are start-up and waiting",
        alt=(
            f"Timeline of {count(len(runs), 'run')}: {occupied}. A run took "
            f"{runs['seconds'].median():.0f} s in the median."
        ),
        height=170 + len(names) * (40 if len(names) <= 12 else 18),
        legend_columns=4,
    )


def run_labels(frame: pd.DataFrame, parameters: Iterable[str]) -> dict[str, str]:
    """Return a label per run ID: its hyperparameters, as in `optimizer adam, momentum 0.9`."""
    return {
        run["run"]: ", ".join(f"{name} {value_text(run[name])}" for name in parameters)
        for _, run in frame.iterrows()
    }


def show(figure: go.Figure, alt: str | None = None) -> None:
    """Display a figure in a notebook: interactive, and as a picture for where that fails.

    JupyterLab needs no internet for it: it shows the picture until the pointer enters, then
    the interactive figure.  GitHub and other viewers show the picture, which is made if a
    Chrome or Chromium is installed.  The alternative text comes with both.

    Args:
        figure: any figure; those of this module have an alternative text already.
        alt: the alternative text, if there is none or a better one.
    """
    from IPython.display import display

    if alt:
        figure.update_layout(meta={"alt": alt})
    alt = figure.layout.meta["alt"]
    bundle = {PLOTLY_JSON: json.loads(figure.to_json()), "text/plain": alt}
    metadata = {}
    if picture := png(figure):
        bundle["image/png"] = base64.b64encode(picture).decode()
        metadata["image/png"] = {"alt": alt, "width": WIDTH, "height": figure.layout.height}
    display(bundle, raw=True, metadata=metadata)


@dataclass(frozen=True)
class _Axis:
    """An axis of parallel coordinates; heights go from 0 to 1.

    Attributes:
        name: what it shows.
        heights: where each run crosses it, by the run's position in the frame.
        ticks: height and text of each.
    """

    name: str
    heights: dict[int, float]
    ticks: list[tuple[float, str]]


def _axis(name: str, values: pd.Series, scale: str, spread: bool = True) -> _Axis:
    values = (values if scale == "category" else numbers(values, scale)).dropna()
    if values.empty:
        return _Axis(name, {}, [])
    if scale == "category":
        values = values.astype(str)
        levels = sorted(values.unique())
        place = {level: index for index, level in enumerate(levels)}
        low, high = 0, len(levels) - 1
    else:
        transform = math.log10 if scale == "log" else float
        levels = sorted(values.unique())
        if len(levels) > _MOST_LEVELS or not spread:
            levels = _round_numbers(levels[0], levels[-1], scale)
        place = {value: transform(value) for value in [*levels, *values]}
        low, high = min(place.values()), max(place.values())
    # A single value lies in the middle.
    heights = {
        value: (at - low) / (high - low) if high > low else 0.5 for value, at in place.items()
    }
    ticks = []
    for level in levels:
        if not ticks or heights[level] - ticks[-1][0] > _TICK_DISTANCE:
            ticks.append((heights[level], label(level)))
    positions = values.map(heights)
    if spread:
        positions += _offsets(values, min(0.03, 0.25 / len(levels)))
    return _Axis(name, positions.to_dict(), ticks)


def _offsets(values: pd.Series, reach: float) -> pd.Series:
    """Return offsets from -reach to reach that part the runs that share a value."""
    order = values.groupby(values).cumcount()
    shared = values.groupby(values).transform("size")
    return ((shared - 1) / 2 - order) / (shared / 2) * reach


def _round_numbers(low: float, high: float, scale: str) -> list[float]:
    """Return round numbers from at or below `low` to at or above `high`, about five steps."""
    if scale == "log":
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        return [10.0**power for power in powers]
    if low == high:
        return [low]
    rough = (high - low) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = magnitude * next(factor for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    return [index * step for index in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _lanes(array_tasks: pd.Series, begin: pd.Series, end: pd.Series) -> pd.Series:
    """Return the line of each run: its array task, else the first one that is free."""
    lanes = array_tasks.astype(object)
    free_from = []
    for run in lanes.index[lanes.isna()]:
        slot = next((i for i, free in enumerate(free_from) if free <= begin[run]), len(free_from))
        free_from[slot : slot + 1] = [end[run]]
        lanes[run] = str(slot + 1)
    return lanes


def _numbers(lane: str) -> list[int]:
    return [int(part) for part in lane.split("_")]


def _hover(run: pd.Series, columns: Iterable[str]) -> str:
    lines = [f"{label(column)}: {label(run[column])}" for column in columns]
    return "<br>".join([f"<b>{label(run['name'])}</b> ({escaped(run['state'])})", *lines])


def _with_unit(metric: str) -> str:
    return f"{metric} ({_UNITS[metric]})" if metric in _UNITS else metric
