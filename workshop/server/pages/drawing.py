"""A sweep's figures, drawn by the very functions that the notebooks use.

Only the process for long computations imports this module, and with it pandas, plotly and
scikit-learn.  It is the one place where the server depends on the rest of the kit.
"""

import html
import json
import math

import pandas as pd
import plotly.graph_objects as go

from workshop import importance, parameter_values, plots
from workshop.server.metric import Metric
from workshop.server.pages.numbers import as_float
from workshop.server.search import hyperparameters
from workshop.style import DARK, LIGHT

HEADING = 70  # pixels
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
        needs in pixels, or {"message"} if there is nothing to draw.
    """
    # A parameter may be called like a column that is there already.
    taken = (*OWN_COLUMNS, metric)
    varied = hyperparameters(config)
    names = {name: f"config.{name}" if name in taken else name for name in varied}
    scales = {names[name]: scale for name, scale in varied.items()}
    frame = pd.DataFrame(
        [
            {column: run[column] for column in OWN_COLUMNS}
            | {metric: None if run["value"] is None else as_float(run["value"])}
            for run in runs
        ],
        columns=[*OWN_COLUMNS, *scales, metric],
    )
    for name, column in names.items():
        points = [run["point"].get(name, math.nan) for run in runs]
        frame[column] = parameter_values.column(points, scales[column])
    frame[metric] = frame[metric].astype(float)
    table = importance.importance(frame, metric, scales)
    goal = Metric.of(config).goal
    drawn = {}
    for theme, colours in (("light", LIGHT), ("dark", DARK)):
        parallel = plots.parallel_coordinates(frame, scales, metric, goal, colours)
        bars = plots.importance_bars(table, metric, colours)
        parts = {
            "parallel": parts_of(parallel, 100 * (len(scales) + 2)),
            "importance": parts_of(bars, 640),
        }
        drawn[theme] = json.dumps(parts, separators=(",", ":")).encode()
    return drawn


def parts_of(figure: go.Figure, width: int) -> dict:
    """Return a figure as the page shows it: with a title and subtitle of the page, not plotly's."""
    drawing = json.loads(figure.to_json())
    layout = drawing["layout"]
    alt, title = layout["meta"]["alt"], layout.pop("title")
    if not drawing["data"]:
        return {"message": alt}
    layout["margin"]["t"] -= HEADING
    layout["height"] -= HEADING
    subtitle = html.unescape(title["subtitle"]["text"])
    return {"subtitle": subtitle, "alt": alt, "width": width, **drawing}
