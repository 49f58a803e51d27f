"""Show a figure in a notebook, with its alternative text, and label its runs."""

import base64
import html
import json
from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from workshop.analyze.plots.export import PICTURE_WIDTH_PX, PLOTLY_JSON, alternative_text, png
from workshop.analyze.plots.style import point_text


def run_labels(frame: pd.DataFrame, parameters: Iterable[str]) -> dict[str, str]:
    """Return a label per run ID: its hyperparameters, as in `optimizer adam, momentum 0.9`."""
    return {run["run"]: point_text(run, parameters) for _, run in frame.iterrows()}


def show(figure: go.Figure, alt: str | None = None) -> None:
    """Display a figure in a notebook, interactive and with a picture as the fallback.

    JupyterLab needs no internet for it: it shows the picture until the pointer enters, then the
    interactive figure.  GitHub and other viewers show the picture, which needs Chrome or Chromium.
    Both have the alternative text, which is also below the figure, collapsed, because JupyterLab
    doesn't pass it to screen readers.

    Args:
        figure: any figure; this package's figures already have an alternative text.
        alt: an alternative text to use instead.
    """
    from IPython.display import display

    if alt:
        figure.update_layout(meta={"alt": alt})
    drawing = json.loads(figure.to_json())
    alt = alternative_text(drawing["layout"])
    bundle = {PLOTLY_JSON: drawing, "text/plain": alt}
    metadata = {}
    if picture := png(figure):
        bundle["image/png"] = base64.b64encode(picture).decode()
        metadata["image/png"] = {
            "alt": alt,
            "width": PICTURE_WIDTH_PX,
            "height": figure.layout.height,
        }
    display(bundle, raw=True, metadata=metadata)
    display({"text/html": in_words(alt)}, raw=True)


def in_words(alt: str) -> str:
    """Return an alternative text as collapsed HTML."""
    return f"<details><summary>The figure in words</summary><p>{html.escape(alt)}</p></details>"
