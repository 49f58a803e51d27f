"""What all widgets have in common: what stands in their place where there are no widgets."""

import html
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any

import ipywidgets
import pandas as pd
from IPython.display import display, update_display
from traitlets import MetaHasTraits

from workshop.analyze.plots.export import FOLDED
from workshop.notebook_display import table

WRAPPING = {"display": "flex", "flex_flow": "row wrap", "align_items": "center"}
"""The layout of a row that becomes several ones on a narrow page."""

NO_WIDTH = {"width": "auto", "max_width": "100%"}
"""The layout of a control that is as wide as its text, and never wider than the page."""

SCROLLING = "width: 0; min-width: 100%; overflow-x: auto"
"""The style of what scrolls in itself where it is too wide, and widens nothing around it."""


class _Meta(MetaHasTraits, ABCMeta):
    """Both metaclasses: that of ipywidgets and that of abstract classes."""


class Shown(ipywidgets.VBox, metaclass=_Meta):
    """A widget with the same content as text below it, folded away.

    The text is there where the widget is not: on GitHub, in a page of HTML, in a JupyterLab
    without ipywidgets or with another version of it, and in a saved notebook whose kernel is
    gone.  It follows what the widget shows.
    """

    _is_displayed = False

    @abstractmethod
    def as_text(self) -> str:
        """Return what the widget shows, as plain text."""

    @abstractmethod
    def as_html(self) -> str:
        """Return what the widget shows, as HTML without controls."""

    def _renew_text(self) -> None:
        """Let the text below the widget say what the widget shows now."""
        if self._is_displayed:
            update_display(self._twin(), raw=True, display_id=self.model_id)

    def _ipython_display_(self) -> None:
        display(self._repr_mimebundle_(), raw=True)
        display(self._twin(), raw=True, display_id=self.model_id)
        self._is_displayed = True

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        return (super()._repr_mimebundle_(**kwargs) or {}) | {"text/plain": self.as_text()}

    def _twin(self) -> dict[str, str]:
        folded = f"{FOLDED}<summary>As text</summary>{self.as_html()}</details>"
        return {"text/plain": self.as_text(), "text/html": folded}


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
    styled = table(frame).set_table_attributes('style="margin-left: 0"')
    return f'<div class="jp-RenderedHTMLCommon" style="{SCROLLING}">{styled.to_html()}</div>'


def paragraph(text: str, style: str = "") -> str:
    """Return a text as a paragraph."""
    return f'<p style="margin: 0 0 .4em; line-height: 1.4; {style}">{html.escape(text)}</p>'
