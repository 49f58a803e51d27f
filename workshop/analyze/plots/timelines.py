"""Timelines: when each run was running, and when each start of an array task began and ended."""

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from workshop.analyze.plots.style import GRAY, LIGHT, escaped, finish, message
from workshop.wording import count

_STATE_COLOURS = {
    "finished": "#0072B2",
    "running": "#56B4E9",
    "failed": "#D55E00",
    "crashed": "#E69F00",
}

MOST_NAMES = 40
"""Up to this many lines of a timeline are named."""

# Safe for color-blind readers (Okabe and Ito's colors); a user's actions are gray.
COLORS = {
    "finished": "#0072B2",
    "preempted and resumed": "#009E73",
    "node failure": "#E69F00",
    "running": "#56B4E9",
    "code error": "#D55E00",
    "out of memory": "#CC79A7",
    "time limit": "#F0E442",
    "lost": "#000000",
}
"""A color per kind of cause; the others are gray."""


def task_timeline(frame: pd.DataFrame) -> go.Figure:
    """Draw when each run was running: a bar per run, a line per SLURM array task.

    Runs outside SLURM share as few lines as possible: as many as ran at once.  The gaps between
    bars are time without a run: starting Python, waiting for the agent's next heartbeat, or waiting
    for SLURM.

    Args:
        frame: runs as `analyze.fetch_runs` returns them; those that never started are left out.
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
            marker_color=_STATE_COLOURS.get(state, GRAY),
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
    figure.update_xaxes(title_text="Time since the first run started (s)")
    figure.update_layout(uniformtext={"minsize": 10, "mode": "hide"})
    occupied = f"{count(len(names), kind)} busy {100 * busy:.0f} % of {span:.0f} s"
    return _finish(
        figure,
        names,
        span,
        lane=kind.capitalize(),
        title=f"{count(len(runs), 'run')} on {count(len(names), kind)}",
        subtitle=f"{occupied}; the gaps are start-up and waiting",
        alt=(
            f"Timeline of {count(len(runs), 'run')}: {occupied}. A run took "
            f"{runs['seconds'].median():.0f} s in the median."
        ),
        legend_columns=4,
    )


def array_timeline(starts: pd.DataFrame, runs: pd.DataFrame) -> go.Figure:
    """Draw a line per array task with a bar per start, colored by how the start ended.

    The dark bar inside is the task's run.  The time before and after it was spent on starting
    Python and waiting for the agent's heartbeat.  A task that was started more than once has no
    dark bar, because a run's clock leaves out the pauses between starts.

    Args:
        starts: the result of `slurm.occupancy`.
        runs: the same sweep's runs, as `analyze.fetch_runs` returns them.
    """
    if starts.empty:
        return message("No array task of this sweep has started yet.")
    zero = starts["began"].min()
    tasks = list(dict.fromkeys(starts["task"]))
    figure = go.Figure()
    for kind, chosen in starts.groupby("kind", sort=False):
        figure.add_bar(
            base=chosen["began"] - zero,
            x=chosen["ended"] - chosen["began"],
            y=chosen["task"],
            orientation="h",
            width=0.8,
            name=kind,
            showlegend=True,
            marker_color=COLORS.get(kind, GRAY),
            marker_line={"color": "white", "width": 1},
            customdata=[
                f"start {start} on {escaped(node)}: {kind}"
                for start, node in zip(chosen["start"], chosen["node"], strict=True)
            ],
            hovertemplate="%{y}, %{customdata}<br>from %{base:.0f} s for %{x:.0f} s<extra></extra>",
        )
    once = starts.groupby("task")["start"].max().eq(1)
    inner = runs[runs["array_task"].isin(once.index[once])].dropna(subset=["started", "seconds"])
    if not inner.empty:
        figure.add_bar(
            base=inner["started"].map(pd.Timestamp.timestamp) - zero,
            x=inner["seconds"],
            y=inner["array_task"],
            orientation="h",
            width=0.25,
            name="its run",
            showlegend=True,
            marker_color="rgba(0, 0, 0, 0.65)",
            customdata=inner["name"].map(escaped),
            hovertemplate="%{customdata}<br>%{x:.0f} s<extra></extra>",
        )
    span = (starts["ended"] - zero).max()
    figure.update_xaxes(title_text="Time since the first start (s)")
    held = (starts["ended"] - starts["began"]).sum()
    kinds = ", ".join(f"{n} {kind}" for kind, n in starts["kind"].value_counts().items())
    counted = f"{count(len(tasks), 'task')} in {count(len(starts), 'start')}"
    share = ""
    if not inner.empty and once.all():
        share = f"; {100 * inner['seconds'].sum() / held:.0f} % of their time was spent on runs"
    return _finish(
        figure,
        tasks,
        span,
        lane="Array task",
        title=f"How {counted} ended",
        subtitle=f"How each start ended: {kinds}{share}",
        alt=f"Timeline of {counted} over {span:.0f} s. How they ended: {kinds}{share}.",
        legend_columns=3,
    )


def _finish(figure: go.Figure, names: list[str], span: float, lane: str, **texts: Any) -> go.Figure:
    """Lay out a timeline: a line per name, the first on top, with an axis in seconds."""
    figure.update_yaxes(
        title_text=lane,
        type="category",
        categoryorder="array",
        categoryarray=names[::-1],
        automargin=True,
        ticksuffix=" ",
        dtick=max(1, math.ceil(len(names) / MOST_NAMES)),
        showgrid=False,
    )
    figure.update_xaxes(range=[0, span * 1.02])
    figure.update_layout(barmode="overlay")
    each = 40 if len(names) <= 12 else 18 if len(names) <= MOST_NAMES else 4
    return finish(figure, height=170 + len(names) * each, theme=LIGHT, **texts)


def _lanes(array_tasks: pd.Series, begin: pd.Series, end: pd.Series) -> pd.Series:
    """Return the line of each run: its array task, or else the first free line."""
    lanes = array_tasks.astype(object)
    free_from: list[float] = []
    for run in lanes.index[lanes.isna()]:
        slot = next((i for i, free in enumerate(free_from) if free <= begin[run]), len(free_from))
        free_from[slot : slot + 1] = [end[run]]
        lanes[run] = str(slot + 1)
    return lanes


def _numbers(lane: str) -> list[int]:
    return [int(part) for part in lane.split("_")]
