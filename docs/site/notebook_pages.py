"""Notebooks as pages: figures that need no scripts, and exercises with their solutions folded."""

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import plotly
from sphinx.application import Sphinx

from workshop.analyze.plots.export import PLOTLY_JSON
from workshop.exercises.generate import EXERCISES, SOLUTIONS, TAG
from workshop.paths import ROOT

LOCAL_LINK = re.compile(r"\[([^\]]+)\]\(http://127\.0\.0\.1[^)]*\)")


def rewrite(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put what a page shows in the place of a notebook's source."""
    path = ROOT / f"{docname}.ipynb"
    if not path.exists():
        return
    if path.parent == EXERCISES:
        app.env.note_dependency(str(SOLUTIONS / path.name))
        notebook = with_solutions(json.loads((SOLUTIONS / path.name).read_text()))
    else:
        notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            _show(output)
    # Python's own lexer knows neither `!` nor `%`.
    notebook["metadata"]["language_info"]["pygments_lexer"] = "ipython3"
    source[0] = json.dumps(notebook)


def with_solutions(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook of solutions as its exercises, each solution folded behind its task."""
    cells = []
    for cell in notebook["cells"]:
        metadata = cell["metadata"]
        if TAG in metadata.get("tags", []):
            starter = {"id": f"{cell['id']}-starter", "metadata": {}, "source": metadata["starter"]}
            cells.append(cell | starter)
            folded = {"tags": ["hide-input"], "mystnb": {"code_prompt_show": "Solution"}}
            cell = cell | {"metadata": folded}
        cells.append(cell)
    return notebook | {"cells": cells}


def _show(output: dict[str, Any]) -> None:
    """Change an output to what a page without a kernel and without a local server shows."""
    data = output.get("data", {})
    if PLOTLY_JSON in data:
        picture = output["metadata"]["image/png"]
        drawing = json.dumps(data[PLOTLY_JSON], separators=(",", ":")).replace("</", r"<\/")
        output["data"] = {
            "text/html": '<figure class="sweep-figure">'
            f'<img src="data:image/png;base64,{"".join(data["image/png"]).strip()}" '
            f'alt="{html.escape(picture["alt"])}" '
            f'width="{picture["width"]}" height="{picture["height"]}">'
            f'<script type="application/json">{drawing}</script></figure>'
        }
    elif "text/markdown" in data:
        data["text/markdown"] = LOCAL_LINK.sub(r"`\1`", "".join(data["text/markdown"]))


def add_plotly(app: Sphinx, _: Exception | None) -> None:
    """Copy the script that draws the figures, which a page loads when a reader asks for one."""
    if app.builder.format == "html":
        script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
        shutil.copy(script, app.outdir / "_static")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what this module adds to Sphinx."""
    app.connect("source-read", rewrite)
    app.connect("build-finished", add_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
