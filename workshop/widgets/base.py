"""What all widgets have in common: what stands in their place where there are no widgets."""

import html
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any

import ipywidgets
import pandas as pd
from traitlets import MetaHasTraits

from workshop.display import table

WRAPPING = {"display": "flex", "flex_flow": "row wrap", "align_items": "center"}
"""The layout of a row that becomes several ones on a narrow page."""

NO_WIDTH = {"width": "auto", "max_width": "100%"}
"""The layout of a control that is as wide as its text, and never wider than the page."""


class _Meta(MetaHasTraits, ABCMeta):
    """Both metaclasses: that of ipywidgets and that of abstract classes."""


class Shown(ipywidgets.VBox, metaclass=_Meta):
    """A widget that is also a text and a piece of HTML, for readers without widgets."""

    @abstractmethod
    def as_text(self) -> str:
        """Return what the widget shows, as plain text."""

    @abstractmethod
    def as_html(self) -> str:
        """Return what the widget shows, as HTML without controls."""

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        # JupyterLab takes the widget if it can, GitHub and nbconvert the HTML, a terminal the text.
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return bundle | {"text/plain": self.as_text(), "text/html": self.as_html()}


def button(
    description: str, tooltip: str, clicked: Callable[[ipywidgets.Button], None], icon: str = ""
) -> ipywidgets.Button:
    """Return a button that works while a cell runs, where JupyterLab and kernel have subshells.

    JupyterLab sends a click to a subshell of the kernel, which is free.  ipykernel 7.4 hands it on
    to the shell that last wrote to the button: the one that runs the cell, and is busy.  So the
    button says that any shell will do.
    """
    made = ipywidgets.Button(description=description, tooltip=tooltip, icon=icon, layout=NO_WIDTH)
    made.comm._reply_subshell_for = lambda _data, default: default
    made.on_click(clicked)
    return made


def table_html(frame: pd.DataFrame) -> str:
    """Return a frame of texts as a table in JupyterLab's style; it scrolls where it is too wide."""
    escaped = frame.rename(columns=html.escape).map(html.escape)
    styled = table(escaped).set_table_attributes('style="margin-left: 0"')
    return f'<div class="jp-RenderedHTMLCommon" style="overflow-x: auto">{styled.to_html()}</div>'


def paragraph(text: str, style: str = "") -> str:
    """Return a text as a paragraph."""
    return f'<p style="margin: 0 0 .4em; line-height: 1.4; {style}">{html.escape(text)}</p>'
