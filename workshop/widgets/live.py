"""Live views: widgets that poll something every few seconds, in a thread of their own."""

import html
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import ipywidgets

from workshop.errors import WorkshopError
from workshop.widgets.base import WRAPPING, Shown, button

# A poll that takes a second is followed by a pause of at least five.
_PAUSE_PER_LOOK = 5


@dataclass(frozen=True)
class View:
    """The result of one poll.

    Attributes:
        text: the view as plain text, for readers without widgets.
        html: the view as HTML.
        final: whether it won't change any more.
    """

    text: str
    html: str
    final: bool


class LiveView(Shown):
    """A view that polls every few seconds, until it is final or is stopped.

    The cell that shows it ends at once, so that the next one can start what is watched.  The
    kernel keeps polling when the page is closed, and a reopened page shows the newest view.  There
    is one live view per subject: a new one stops the previous one, so that a cell that is run again
    doesn't double the polling.

    Args:
        look: polls once.
        subject: a name for what is watched.
        every: polling interval in seconds; it is longer if a poll itself takes long.
        controls: more controls, shown before the one that stops the updates.

    Raises:
        WorkshopError: the first poll fails.  A later failure is shown, and the poll retried.
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
        self._button = button("Stop updating", "Keep this view as it is", lambda _: self.stop())
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
        """Poll now."""
        self._due.set()

    def stop(self) -> None:
        """Stop polling, and keep the view as it is."""
        self._ended.set()
        self._due.set()
        self._button.disabled = True
        self._say("nothing more will change" if self._view.final else "updates stopped")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the view is final or stopped; return whether that was within the timeout."""
        return self._ended.wait(timeout)

    def _follow(self) -> None:
        took = 0.0
        while True:
            self._due.wait(max(self._every, _PAUSE_PER_LOOK * took))
            self._due.clear()
            if self._ended.is_set():
                return
            start = time.monotonic()
            try:
                self._show()
            except WorkshopError as error:
                self._say(f"{error}; trying again")
            except Exception as error:  # whatever the client raises, the next poll may succeed
                self._say(f"no answer ({type(error).__name__}: {error}); trying again")
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
