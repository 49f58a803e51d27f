"""Views that follow something: they look again every few seconds, in a thread of their own."""

import html
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets

from workshop.errors import WorkshopError
from workshop.widgets.base import WRAPPING, Shown, button

_SHARE = 5  # a look that takes a second is followed by a pause of five, whatever was asked for


@dataclass(frozen=True)
class View:
    """What one look has seen.

    Attributes:
        text: for readers without widgets.
        html: the same for all others.
        final: whether it will not change any more.
    """

    text: str
    html: str
    final: bool


class LiveView(Shown):
    """Something that is looked at anew every few seconds, until it is final or is stopped.

    The cell that shows it ends at once, so that the next one may start what is followed.  The
    kernel keeps looking when the page is closed, and a page that is opened again shows the
    newest view.  There is one live view of a subject: a new one stops the one before it, so
    that a cell which is run again does not ask the server twice as often.

    Args:
        look: returns what there is to see now.
        subject: what is looked at.
        every: seconds between two looks; longer if the looks themselves take long.
        controls: more controls, shown before the one that stops the updates.

    Raises:
        WorkshopError: the first look fails.  A later one that fails is noted and repeated.
    """

    _live: ClassVar[dict[str, "LiveView"]] = {}

    def __init__(
        self,
        look: Callable[[], View],
        subject: str,
        every: float = 5.0,
        controls: Sequence[ipywidgets.Widget] = (),
    ):
        self._look, self._every = look, every
        self._content = ipywidgets.HTML()
        self._note = ipywidgets.HTML()
        self._button = button("Stop updating", "Leave this view as it is", lambda _: self.stop())
        self._ended = threading.Event()
        self._due = threading.Event()
        row = ipywidgets.Box([*controls, self._button, self._note], layout=WRAPPING)
        super().__init__([self._content, row])
        self._show()
        if before := self._live.get(subject):
            before.stop()
        self._live[subject] = self
        threading.Thread(target=self._follow, daemon=True).start()

    def as_text(self) -> str:
        """Return the newest view as plain text."""
        return self._view.text

    def as_html(self) -> str:
        """Return the newest view as HTML."""
        return self._view.html

    def refresh(self) -> None:
        """Look again now."""
        self._due.set()

    def stop(self) -> None:
        """Leave the view as it is."""
        self._ended.set()
        self._due.set()
        self._button.disabled = True
        self._say("not updated any more" if not self._view.final else "complete")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the view is final or was stopped; say whether that was in time."""
        return self._ended.wait(timeout)

    def _follow(self) -> None:
        took = 0.0
        while True:
            self._due.wait(max(self._every, _SHARE * took))
            self._due.clear()
            if self._ended.is_set():
                return
            start = time.monotonic()
            try:
                self._show()
            except WorkshopError as error:
                self._say(f"{error}; looking again")
            except Exception as error:  # whatever a client dies of, it may be back at the next look
                self._say(f"no answer ({type(error).__name__}: {error}); looking again")
            took = time.monotonic() - start

    def _show(self) -> None:
        self._view = self._look()
        if self._content.value != self._view.html:
            self._content.value = self._view.html
            self._renew_text()
        if self._view.final:
            self.stop()
        else:
            self._say(f"updated at {time.strftime('%H:%M:%S')}, every {self._every:g} s")

    def _say(self, sentence: str) -> None:
        self._note.value = html.escape(sentence)
