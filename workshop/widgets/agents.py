"""A live view of a sweep while its agents work, with a button that stops the sweep."""

import html
import threading

import ipywidgets
import wandb

from workshop.analyze.snapshot import Snapshot, look
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.run_states import ENDED
from workshop.widgets.base import button, paragraph, table_html
from workshop.widgets.live import LiveView, View

_MOST_ROWS = 12


class _Agents(LiveView):
    """A live view of a sweep with a button that stops it."""

    def __init__(self, path: str, every: float):
        self._path = path
        self._api: wandb.Api | None = None
        self._stop_sweep = button(
            "Stop the sweep",
            "Hand out no more runs; current runs continue to their end",
            self._begin_to_stop,
            icon="stop",
        )
        super().__init__(self._seen, f"agents of {path}", every, [self._stop_sweep])

    def _seen(self) -> View:
        try:
            self._api = self._api or wandb.Api()
            seen = look(self._path, self._api)
        except Exception:  # an agent in this process closes the connection of older clients
            self._api = None
            seen = look(self._path)
        self._stop_sweep.disabled = seen.closed or seen.complete
        return _view(seen)

    def _begin_to_stop(self, _: ipywidgets.Button) -> None:
        # The command takes a second or two, and must not block the kernel.
        threading.Thread(target=self._stop, daemon=True).start()

    def _stop(self) -> None:
        self._stop_sweep.disabled = True
        self._say("stopping the sweep …")
        try:
            registration.stop(self._path)
        except WorkshopError as error:
            self._say(str(error))
            return
        self.refresh()


def watch(path: str, every: float = 3.0) -> LiveView:
    """Watch a sweep's runs, wherever its agents are: in this process, others, or a SLURM array.

    The view shows how many runs have ended, the best of them, and each run's state and epoch.  It
    polls the server, with one query every few seconds.

    *Stop the sweep* is `wandb sweep --stop`: agents get no more runs, current runs continue to
    their end, and then the agents end by themselves.  (To end runs at once, interrupt the cell or
    cancel the job that runs the agents.)  The button works while another cell runs if the
    notebook's server supports kernel subshells, as JupyterLab 4.4 and newer do.  Otherwise use the
    command in a terminal.

    In plain Python: `print(look(path))` and `initialize.stop(path)`.

    Args:
        path: the sweep, `entity/project/ID`.
        every: polling interval in seconds.

    Raises:
        WorkshopError: there is no such sweep, or the server does not answer.
    """
    return _Agents(path, every)


def _view(seen: Snapshot) -> View:
    parts = [paragraph(seen.headline, "font-weight: bold")]
    if seen.expected:
        parts.append(
            f'<progress max="{seen.expected}" value="{seen.ended}" style="width: 100%"'
            f' aria-label="{html.escape(seen.headline)}"></progress>'
        )
    parts.append(paragraph(seen.best_so_far))
    table = seen.table()
    if len(table) > _MOST_ROWS:
        # The runs that haven't ended, then the newest of the others.
        order = sorted(table.index, key=lambda row: (table["state"][row] in ENDED, -row))
        parts.append(paragraph(f"{_MOST_ROWS} of {len(table)} runs, current ones and the newest:"))
        table = table.loc[sorted(order[:_MOST_ROWS])]
    if len(table):
        parts.append(table_html(table))
    if seen.closing:
        parts.insert(1, paragraph(seen.closing))
    return View(str(seen), "".join(parts), seen.complete)
