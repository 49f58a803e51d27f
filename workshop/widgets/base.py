"""The base of all widgets, with a plain text as the fallback where widgets can't be shown."""

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
"""The layout of a row that wraps on a narrow page."""

SECTION = WRAPPING | {
    "padding": "4px 0", "border_bottom": "1px solid var(--jp-border-color2, #ccc)",
}  # fmt: skip
"""The layout of a row that a line separates from the next one, so that one sees what wraps."""

NO_WIDTH = {"width": "auto", "max_width": "100%"}
"""The layout of a control that is as wide as its text, and never wider than the page."""

SCROLLING = "box-sizing: border-box; width: 0; min-width: 100%; overflow-x: auto"
"""The style of an element that scrolls if it is too wide, so that it never widens the page."""


class _Meta(MetaHasTraits, ABCMeta):
    """The metaclass of abstract widgets."""


class Shown(ipywidgets.VBox, metaclass=_Meta):
    """A widget with the same content as text below it, collapsed.

    The text is the fallback where the widget can't be shown: on GitHub, in an HTML page, in a
    JupyterLab without ipywidgets or with another version of it, and in a saved notebook whose
    kernel is gone.  It is updated with the widget.
    """

    _is_displayed = False

    @abstractmethod
    def as_text(self) -> str:
        """Return what the widget shows, as plain text."""

    @abstractmethod
    def as_html(self) -> str:
        """Return what the widget shows, as HTML without controls."""

    def _renew_text(self) -> None:
        """Update the text below the widget."""
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
    """Return a button that works while a cell runs, if JupyterLab and kernel support subshells.

    JupyterLab sends a click to a subshell of the kernel, which is idle.  But ipykernel 7.4 forwards
    it to the shell that last wrote to the button, which is busy with the cell.  So the button
    accepts any shell.
    """
    made = ipywidgets.Button(description=description, tooltip=tooltip, icon=icon, layout=NO_WIDTH)
    made.comm._reply_subshell_for = lambda _data, default: default
    made.on_click(clicked)
    return made


def width(size: str) -> dict[str, str]:
    """Return the layout of a control of this width that is never wider than the page."""
    return {"width": size, "max_width": "100%"}


def table_html(frame: pd.DataFrame) -> str:
    """Return a frame of texts as an HTML table in JupyterLab's style, which scrolls if too wide."""
    styled = table(frame).set_table_attributes('style="margin-left: 0"')
    return f'<div class="jp-RenderedHTMLCommon" style="{SCROLLING}">{styled.to_html()}</div>'


def paragraph(text: str, style: str = "") -> str:
    """Return a text as an HTML paragraph, escaped."""
    return f'<p style="margin: 0 0 .4em; line-height: 1.4; {style}">{html.escape(text)}</p>'
