"""Export figures as PNG and notebooks as HTML, for readers without a kernel.

Neither writing nor viewing them needs the internet.
"""

import asyncio
import atexit
import copy
import html
import io
import threading
import warnings
from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import plotly.io
import plotly.offline
from PIL import Image

if TYPE_CHECKING:
    from nbformat import NotebookNode

PICTURE_WIDTH_PX = 820
"""The width of a picture; an interactive figure is as wide as its cell or page.

JupyterLab shows pictures at their pixel size, so this is a cell on a laptop with the sidebar open.
"""

PLOTLY_JSON = "application/vnd.plotly.v1+json"

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

FOLDED = '<details class="widget-as-text">'
"""The start of the text below a widget; the text is expanded where the widget can't be shown."""

WORDLESS = "This figure has no description: pass one with plots.show(figure, alt=...)"
"""The alternative text of a figure that has none."""

_NOTHING = "data:text/javascript,"
"""The address of an empty script."""

_DRAWING_LIMIT_S = 60
"""Timeout for a browser to start, or to draw one picture."""


def png(figure: go.Figure) -> bytes | None:
    """Return a figure as a PNG, `PICTURE_WIDTH_PX` pixels wide; None without Chrome or Chromium.

    One browser draws all pictures of a process and ends with it: the first picture takes about two
    seconds, each further one 0.2.
    """
    draw = _browser()
    return draw(figure) if draw else None


def alternative_text(layout: Mapping[str, Any]) -> str:
    """Return the alternative text in a figure's layout, or that it has none."""
    meta = layout.get("meta")
    return meta["alt"] if isinstance(meta, Mapping) and "alt" in meta else WORDLESS


def without_widgets(notebook: "NotebookNode") -> "NotebookNode":
    """Return a copy of a notebook in which each widget is replaced by its text.

    A widget lives only as long as its kernel.  Later, JupyterLab would show an error for it, and an
    HTML page would load scripts from the internet to show a widget that does nothing.
    """
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [
                output for output in cell.outputs if WIDGET_VIEW not in output.get("data", {})
            ]
            for output in cell.outputs:
                if output.get("data", {}).get("text/html", "").startswith(FOLDED):
                    output.data["text/html"] = output.data["text/html"].replace(
                        FOLDED, FOLDED.replace(">", " open>"), 1
                    )
    return notebook


def write_html(notebook: "NotebookNode", path: Path) -> None:
    """Write a notebook as an HTML page with interactive plotly figures, and widgets as text.

    Screen readers get a figure's alternative text (`layout.meta.alt`).  `plotly.min.js` is written
    next to the page, so that a folder's pages share it.

    Args:
        notebook: the notebook, which isn't changed.
        path: the `.html` file.
    """
    # Imported late: nbconvert takes two seconds, and a notebook that shows figures doesn't need it.
    from nbconvert import HTMLExporter

    # nbconvert's page would load RequireJS and MathJax from the internet.  With RequireJS on it,
    # plotly.min.js would register as a module there and not be found by the figures.
    exporter = HTMLExporter(require_js_url="plotly.min.js", mathjax_url=_NOTHING)
    page, _ = exporter.from_notebook_node(
        _with_html_figures(without_widgets(notebook)), resources={"metadata": {"name": path.stem}}
    )
    path.write_text(page)
    (path.parent / "plotly.min.js").write_text(plotly.offline.get_plotlyjs())


def _with_html_figures(notebook: "NotebookNode") -> "NotebookNode":
    """Return a copy of the notebook with HTML for each plotly figure, which nbconvert prefers."""
    notebook = copy.deepcopy(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    for output in outputs:
        if figure := output.get("data", {}).get(PLOTLY_JSON):
            alt = html.escape(alternative_text(figure["layout"]))
            drawing = plotly.io.to_html(figure, include_plotlyjs=False, full_html=False)
            output.data["text/html"] = f'<div role="img" aria-label="{alt}">{drawing}</div>'
    return notebook


def _compressed(picture: bytes) -> bytes:
    """Return a PNG with a palette: a few colors suffice, and it takes a quarter of the space."""
    smaller = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            smaller, "png", optimize=True
        )
    return smaller.getvalue()


@cache
def _browser() -> Callable[[go.Figure], bytes] | None:
    """Start a browser in the background; return what draws a figure with it."""
    from choreographer.browsers.chromium import Chromium
    from kaleido import Kaleido

    if not Chromium.find_browser(skip_local=False):
        return None
    # In its own event loop, because a notebook's is already running; kaleido's own server for this
    # waits forever if the browser doesn't start.
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(_DRAWING_LIMIT_S)

    async def start() -> Kaleido:
        return await Kaleido(mathjax=False, timeout=_DRAWING_LIMIT_S)

    def draw(figure: go.Figure) -> bytes:
        size = {"width": PICTURE_WIDTH_PX, "height": figure.layout.height}
        return _compressed(wait(kaleido.calc_fig(figure.to_dict(), opts={"format": "png", **size})))

    try:
        kaleido = wait(start())
    except Exception as error:  # whatever a browser fails with, the interactive figure is there
        reason = type(error).__name__
        warnings.warn(f"no pictures of figures: the browser did not start ({reason})", stacklevel=3)
        return None
    atexit.register(lambda: wait(kaleido.close()))
    return draw
