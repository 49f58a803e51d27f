"""Show a figure in a notebook, with its alternative text, and label its runs."""

import base64
import html
import json
from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from workshop.analyze.plots.export import PLOTLY_JSON, WIDTH, png
from workshop.analyze.plots.style import value_text


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
    Chrome or Chromium is installed.  The alternative text comes with both, and folded below the
    figure, because JupyterLab hands it on to no screen reader.

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
    display({"text/html": in_words(alt)}, raw=True)


def in_words(alt: str) -> str:
    """Return an alternative text as HTML that a reader unfolds."""
    return f"<details><summary>The figure in words</summary><p>{html.escape(alt)}</p></details>"
