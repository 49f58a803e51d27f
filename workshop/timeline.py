"""An array's timeline: when each task held its place, and why it lost it."""

from itertools import chain

import pandas as pd
import plotly.graph_objects as go

from workshop.style import GREY, LIGHT, count, escaped, finish, message

# Told apart by colour-blind readers (Okabe and Ito's colours); what a user did is grey.
COLOURS = {
    "finished": "#0072B2",
    "preempted and resumed": "#009E73",
    "node failure": "#E69F00",
    "running": "#56B4E9",
    "code error": "#D55E00",
    "out of memory": "#CC79A7",
    "time limit": "#F0E442",
    "lost": "#000000",
}
"""A colour per kind of cause; the others are grey."""


def array_timeline(starts: pd.DataFrame, runs: pd.DataFrame) -> go.Figure:
    """Draw a line per array task with a bar per start, in the colour of how the start ended.

    The dark bar within is the time that the task's run took: what is left of it and right of it
    was spent on starting Python and on waiting for the agent's heartbeat.  A task that was
    started more than once has none, since the clock of a run leaves out the pauses in between.

    Args:
        starts: what `slurm.occupancy` returned.
        runs: the same sweep's runs, as `analysis.fetch_runs` returns them.
    """
    if starts.empty:
        return message("No task of an array has started for this sweep yet.")
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
            marker_color=COLOURS.get(kind, GREY),
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
    figure.update_yaxes(
        title_text="Array task",
        type="category",
        categoryorder="array",
        categoryarray=tasks[::-1],
        automargin=True,
        ticksuffix=" ",
        dtick=1,
        showgrid=False,
    )
    figure.update_xaxes(title_text="Time since the first start (s)", range=[0, span * 1.02])
    figure.update_layout(barmode="overlay")
    held = (starts["ended"] - starts["began"]).sum()
    kinds = ", ".join(chain(f"{n} {kind}" for kind, n in starts["kind"].value_counts().items()))
    counted = f"{count(len(tasks), 'task')} in {count(len(starts), 'start')}"
    share = ""
    if not inner.empty and once.all():
        share = f"; {100 * inner['seconds'].sum() / held:.0f} % of their time went into runs"
    return finish(
        figure,
        title=f"What became of {counted}",
        subtitle=f"How each start ended: {kinds}{share}",
        alt=f"Timeline of {counted} over {span:.0f} s. How they ended: {kinds}{share}.",
        height=170 + len(tasks) * (40 if len(tasks) <= 12 else 18),
        legend_columns=3,
        theme=LIGHT,
    )
