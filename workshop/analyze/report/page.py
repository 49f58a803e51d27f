"""The report as a self-contained HTML file: no scripts, no other files, no internet."""

import base64
import html
from pathlib import Path

from workshop.analyze.page_templates import template
from workshop.analyze.plots.export import PICTURE_WIDTH_PX, png
from workshop.analyze.report.contents import Contents
from workshop.files import writing

PAGE = Path(__file__).with_name("page.html")
PRINTED_ROWS = 8
"""How many rows of a long table go to a printer; the page itself shows all."""


def write(contents: Contents, file: Path) -> None:
    """Write a report.

    Raises:
        WorkshopError: the file cannot be written.
    """
    text = render(contents)
    with writing(file, "give another file with --output"):
        file.write_text(text, encoding="utf-8")


def render(contents: Contents) -> str:
    """Return a report as HTML.

    Figures are pictures with alternative text.  Without Chrome or Chromium, which draws them, the
    fallback is the text alone.
    """
    figures = [
        {
            "alt": figure.layout.meta["alt"],
            "title": html.unescape(figure.layout.title.text or "Figure"),
            "height": figure.layout.height,
            "picture": _encoded(png(figure)),
        }
        for figure in contents.figures
    ]
    return template(PAGE).render(
        report=contents,
        figures=figures,
        width=PICTURE_WIDTH_PX,
        printed=PRINTED_ROWS,
    )


def _encoded(picture: bytes | None) -> str:
    return base64.b64encode(picture).decode() if picture else ""
