"""Live tables for notebooks.  Each shows what a function returns as a frame, again and again."""

import html
import threading
from collections.abc import Callable

import ipywidgets
import pandas as pd

from workshop.display import table
from workshop.errors import WorkshopError
from workshop.slurm import LIVE, ledger


class LiveTable(ipywidgets.VBox):
    """A frame that is fetched anew every few seconds, until it is final or is stopped.

    Args:
        fetch: returns the frame.
        is_final: tells whether the frame will not change any more.
        every: seconds between two looks.
    """

    def __init__(
        self,
        fetch: Callable[[], pd.DataFrame],
        is_final: Callable[[pd.DataFrame], bool],
        every: float = 5.0,
    ):
        self._fetch, self._is_final, self._every = fetch, is_final, every
        self._content = ipywidgets.HTML()
        self._note = ipywidgets.Label()
        self._button = ipywidgets.Button(description="Stop updating")
        self._button.on_click(lambda _: self.stop())
        self._stopped = threading.Event()
        super().__init__([self._content, ipywidgets.HBox([self._button, self._note])])
        self._look()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the table as it is."""
        self._stopped.set()
        self._button.disabled = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the table is final or was stopped; say whether that was in time."""
        return self._stopped.wait(timeout)

    def _follow(self) -> None:
        while not self._stopped.wait(self._every):
            self._look()

    def _look(self) -> None:
        try:
            frame = self._fetch()
        except WorkshopError as error:  # the server or SLURM may be back at the next look
            self._note.value = str(error)
            return
        self._content.value = table(frame).to_html()
        if self._is_final(frame):
            self._note.value = "complete"
            self.stop()
        else:
            self._note.value = f"every {self._every:g} s"


def live_ledger(sweep_path: str, every: float = 5.0) -> LiveTable:
    """Return the ledger of a sweep's arrays as a table that follows them.

    Its plain twin is `slurm.ledger(sweep_path)`.

    Args:
        sweep_path: `entity/project/ID`.
        every: seconds between two looks; each asks SLURM's controller, so be sparing.
    """

    def fetch() -> pd.DataFrame:
        shown = ledger(sweep_path).drop(columns="kind")
        return shown.map(lambda cell: html.escape(cell) if isinstance(cell, str) else cell)

    def is_final(frame: pd.DataFrame) -> bool:
        causes = frame["cause"].str.partition(":")[0]
        return not frame.empty and not causes.isin(LIVE).any()

    return LiveTable(fetch, is_final, every)
