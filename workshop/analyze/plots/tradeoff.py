"""Two goals against each other, with the Pareto front."""

from collections.abc import Iterable, Sequence

import pandas as pd
import plotly.graph_objects as go

from workshop.analyze.pareto import Goal, metrics
from workshop.analyze.plots.style import (
    GRAY,
    LIGHT,
    Theme,
    escaped,
    finish,
    label,
    message,
    point_text,
    value_text,
    with_unit,
)
from workshop.errors import WorkshopError
from workshop.wording import count


def pareto_front(
    table: pd.DataFrame,
    goals: Sequence[Goal],
    parameters: Iterable[str] = (),
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw the runs by two goals, with a line through those of the Pareto front.

    The line has steps: between two runs of the front, nothing is known to be better than the worse
    of them by each goal.

    Args:
        table: the result of `analyze.rank_fronts`.
        goals: the goals that it was computed for; the first is on the vertical axis.
        parameters: the names of the parameters to show on hover.
        theme: the theme of the figure.

    Raises:
        WorkshopError: there aren't exactly two goals, or one of them has no name.
    """
    if len(goals) != 2:
        raise WorkshopError(f"this figure needs two goals, got {len(goals)}: choose two of them")
    if table.empty:
        return message("No run has finished with both goals yet.")
    up, along = metrics(goals)
    front = table[table["front"] == 1].sort_values([along.name, up.name])
    others = table[table["front"] > 1]
    parameters = list(parameters)
    figure = go.Figure()
    figure.add_scatter(
        x=front[along.name],
        y=front[up.name],
        mode="lines",
        # The corners are on the worse side, which depends on the goals.
        line={"color": theme.colors[1], "width": 2, "shape": "vh" if along.maximize else "hv"},
        showlegend=False,
        hoverinfo="skip",
    )
    for chosen, color, size, name in (
        (others, GRAY, 8, "others"),
        (front, theme.colors[1], 11, "Pareto front"),
    ):
        figure.add_scatter(
            x=chosen[along.name],
            y=chosen[up.name],
            mode="markers",
            marker={"color": color, "size": size},
            customdata=[
                "<br>".join(map(escaped, filter(None, (run["name"], point_text(run, parameters)))))
                for _, run in chosen.iterrows()
            ],
            name=name,
            showlegend=True,
            hovertemplate="%{customdata}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        )
    for goal, axis in ((along, figure.update_xaxes), (up, figure.update_yaxes)):
        axis(title_text=label(with_unit(goal.name, table)))
    ends = [
        f"{value_text(run[up.name])} at {value_text(run[along.name])}"
        for _, run in front.drop_duplicates([along.name, up.name]).iterrows()
    ]
    return finish(
        figure,
        title=f"{up.name} against {along.name}",
        subtitle=(
            f"{count(len(table), 'run')}, {len(front)} of them on the Pareto front; better is "
            f"{'up' if up.maximize else 'down'} and to the {'right' if along.maximize else 'left'}"
        ),
        alt=(
            f"{count(len(table), 'run')} by {up.name} ({up.goal}) and {along.name} "
            f"({along.goal}). Pareto front: {'; '.join(ends)}."
        ),
        height=400,
        legend_columns=2,
        theme=theme,
    )
