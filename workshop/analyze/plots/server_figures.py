"""The figures on the local server's sweep pages, drawn like those in the notebooks.

The server gets the name of `draw_sweep`.  Its process for long computations imports the function,
and with it pandas, plotly and scikit-learn.
"""

import html
import json
import math
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from sweepserver.search import Scale
from sweepserver.search.metric import Metric
from workshop.analyze import parameter_importance, plots
from workshop.analyze.plots.style import DARK, LIGHT, Theme
from workshop.analyze.replicates import SEED, rank_points
from workshop.define import parameter_values, search_space
from workshop.errors import WorkshopError
from workshop.trainer.config import POINT

HEADING_HEIGHT_PX = 70
OWN_COLUMNS = ("run", "name", "state")


def draw_sweep(config: dict, metric: str, runs: list[dict]) -> dict[str, bytes]:
    """Return the figures of a sweep as JSON.

    Args:
        config: The sweep's configuration.
        metric: The name of the number that the runs are compared by.
        runs: For each its ID `run`, its `name`, its `state`, its parameters by dotted name as
            `point`, and the metric as `value`, None if it has none.

    Returns:
        JSON by theme, `light` and `dark`: {"parallel": figure, "importance": figure}, where a
        figure is {"subtitle", "alt", "width", "data", "layout"}, the width being the least that it
        needs in pixels, or {"message"} if there is nothing to draw.  Of a sweep of points and
        seeds, there is also "points": the means of its points over the seeds that are done.
    """
    try:
        varied = search_space.scales(config)
    except WorkshopError:
        varied = {}  # a search space that can't be read
    names = search_space.columns(varied, config)
    scales = {names[name]: scale for name, scale in varied.items()}
    frame = pd.DataFrame(
        [{column: run[column] for column in OWN_COLUMNS} | {metric: run["value"]} for run in runs],
        columns=[*OWN_COLUMNS, *scales, metric],
    )
    for name, column in names.items():
        points = [run["point"].get(name, math.nan) for run in runs]
        frame[column] = parameter_values.column(points, scales[column])
    frame[metric] = frame[metric].astype(float)
    frame.attrs["definition"] = config
    table = parameter_importance.importance(frame, metric, scales)
    goal = Metric.required(config).goal
    drawn = {}
    for theme, colors in (("light", LIGHT), ("dark", DARK)):
        parallel = plots.parallel_coordinates(frame, scales, metric, goal, colors)
        bars = plots.importance_bars(table, metric, colors)
        parts = {
            "parallel": parts_of(parallel, 100 * (len(scales) + 2)),
            "importance": parts_of(bars, 640),
        }
        if {SEED} < scales.keys():
            parts["points"] = parts_of(points_over_seeds(frame, scales, metric, goal, colors), 640)
        drawn[theme] = json.dumps(parts, separators=(",", ":")).encode()
    return drawn


def points_over_seeds(
    frame: pd.DataFrame, scales: Mapping[str, Scale], metric: str, goal: str, theme: Theme
) -> go.Figure:
    """Return the points by their means; those of a follow-up sweep by their parameters' names."""
    plain = {name: name.removeprefix(f"{POINT}.") for name in scales}
    renamed = frame.rename(columns=plain)
    if renamed.columns.is_unique:
        frame, scales = renamed, {plain[name]: scale for name, scale in scales.items()}
    points = rank_points(frame, metric, scales, goal)
    return plots.point_intervals(points, metric, scales, None, theme)


def parts_of(figure: go.Figure, width: int) -> dict:
    """Return a figure for the page, which has its own title and subtitle instead of plotly's."""
    drawing = json.loads(figure.to_json())
    layout = drawing["layout"]
    alt, title = layout["meta"]["alt"], layout.pop("title")
    if not drawing["data"]:
        return {"message": alt}
    layout["margin"]["t"] -= HEADING_HEIGHT_PX
    layout["height"] -= HEADING_HEIGHT_PX
    subtitle = html.unescape(title["subtitle"]["text"])
    return {"subtitle": subtitle, "alt": alt, "width": width, **drawing}
