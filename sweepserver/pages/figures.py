"""The data of figures, at JSON addresses beside the pages that show them.

A sweep's figures are drawn in the process for long computations, one sweep at a time, and kept
until its runs change.  A request never waits for that: it gets the last figures there are.
"""

import gzip
import hashlib
import json
import logging
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sweepserver.pages.compression import gzipped
from sweepserver.pages.curves import history_curves, system_curves
from sweepserver.pages.rendering import HEADERS, Endpoint, Visit, in_turn, tagged, visit_of
from sweepserver.pages.runs import find_run
from sweepserver.pages.step_metrics import StepMetrics
from sweepserver.pages.sweeps import find_sweep, newest_runs
from sweepserver.scheduling.compute import Compute, ComputeError
from sweepserver.scheduling.trials import point_of
from sweepserver.search.metric import Metric
from sweepserver.store import history
from sweepserver.store.database import Store
from sweepserver.store.records import Sweep

log = logging.getLogger(__name__)

MOST_SWEEPS_KEPT = 50  # whose figures are kept
# From one drawing of a sweep to its next one: twice as long as the last one took, within
# these limits.
SHORTEST_REST_S = 3
LONGEST_REST_S = 10
HISTORY_ROWS = 2000
EVENT_ROWS = 500

COLUMNS = "name, display_name, state, suggestion, config, summary, extremes"
NAMES = ("points", "parallel", "importance")
NOTHING = gzip.compress(b"{}")
FAILED = {"message": "This figure could not be drawn; the server's log says why."}


@final
@dataclass(frozen=True, slots=True)
class Drawn:
    """The figures of one sweep.

    Attributes:
        version: What they were drawn from: a hash.
        figures: Gzipped JSON by theme.
        due: When they may be redrawn.
    """

    version: str
    figures: dict[str, bytes]
    due: float


class Figures:
    """Draws the figures of sweeps in the background and keeps them.

    Args:
        compute: The process that draws.
        function: The name of what draws there, `module:function`.  It is called with a sweep's
            configuration, the name of its metric, and for each run a dictionary as `trial` makes
            it, and returns JSON by theme, `light` and `dark`: {"parallel": figure, "importance":
            figure}, where a figure is {"subtitle", "alt", "width", "data", "layout"}, the width
            being the least that it needs in pixels, or {"message"} if there is nothing to draw.
            A sweep that varies the parameter `seed` has "points" as well.
    """

    def __init__(self, compute: Compute, function: str):
        self._compute = compute
        self._function = function
        self._lock = threading.Lock()
        self._drawn: OrderedDict[int, Drawn] = OrderedDict()
        self._under_way: set[int] = set()
        self._worker = ThreadPoolExecutor(1, "figures")

    def get(
        self, sweep_id: int, version: str, arguments: Callable[[], tuple]
    ) -> tuple[dict[str, bytes] | None, bool]:
        """Return a sweep's figures so far, and have them drawn if they're out of date.

        Args:
            sweep_id: The sweep.
            version: Changes with everything that the figures show.
            arguments: Gives what the function is called with.

        Returns:
            The figures by theme, None if there are none yet, and whether they are right.
        """
        with self._lock:
            drawn = self._drawn.get(sweep_id)
            is_right = drawn is not None and drawn.version == version
            rests = drawn is not None and time.monotonic() < drawn.due
            if not is_right and not rests and sweep_id not in self._under_way:
                self._under_way.add(sweep_id)
                self._worker.submit(self._draw, sweep_id, version, arguments)
        return drawn and drawn.figures, is_right

    def _draw(self, sweep_id: int, version: str, arguments: Callable[[], tuple]) -> None:
        start = time.monotonic()
        try:
            texts = self._compute.run(self._function, *arguments())
        except ComputeError:
            texts = None  # the next request asks again
        except Exception as error:
            if isinstance(error, ImportError):
                log.warning("The figures of sweeps need a package that is missing: %s.", error)
            else:
                log.exception("The figures of a sweep could not be drawn.")
            failed = json.dumps(dict.fromkeys(NAMES, FAILED)).encode()
            texts = {"light": failed, "dark": failed}
        end = time.monotonic()
        with self._lock:
            if texts is not None:
                zipped = {theme: gzip.compress(text, 6) for theme, text in texts.items()}
                rest = min(LONGEST_REST_S, max(SHORTEST_REST_S, 2 * (end - start)))
                self._drawn[sweep_id] = Drawn(version, zipped, end + rest)
                self._drawn.move_to_end(sweep_id)
                if len(self._drawn) > MOST_SWEEPS_KEPT:
                    self._drawn.popitem(last=False)
            self._under_way.remove(sweep_id)

    def close(self) -> None:
        """Stop drawing."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def data(function: Callable[[Request, Visit], Response]) -> Endpoint:
    """Turn a function into an endpoint for data, with the page's access rules."""

    @wraps(function)
    async def endpoint(request: Request) -> Response:
        visit = await run_in_threadpool(visit_of, request)
        if visit is None:
            return Response(status_code=HTTPStatus.UNAUTHORIZED)
        return await in_turn(function, request, visit)

    return endpoint


@data
def sweep_figures(request: Request, visit: Visit) -> Response:
    """Serve the figures of a sweep; while they're out of date, say when to ask again."""
    store = visit.store
    with store.reading():
        _, sweep = find_sweep(store, **request.path_params)
        version = version_of(store, sweep)
    metric = sweep.metric
    if metric is None or visit.state.figures is None:
        return json_reply(request, NOTHING)

    def arguments() -> tuple:
        with store.reading():
            runs = newest_runs(store, sweep, COLUMNS)
            found = [trial(row, metric) for row in runs]
        return sweep.settings, metric.name, found

    figures, is_right = visit.state.figures.get(sweep.id, version, arguments)
    theme = "dark" if visit.query.get("theme") == "dark" else "light"
    reply = json_reply(request, figures[theme] if figures else NOTHING)
    if not is_right:
        reply.headers["Retry-After"] = "2"
    return reply


def version_of(store: Store, sweep: Sweep) -> str:
    """Return a hash of everything that the figures of a sweep show."""
    seen = hashlib.blake2b(sweep.config.encode())
    for row in newest_runs(store, sweep, COLUMNS):
        *known, summary, extremes = row
        # What running runs have logged so far is in no figure.
        logged = (summary, extremes) if row["state"] == "finished" else ()
        seen.update(repr((*known, *logged)).encode())
    return seen.hexdigest()


def trial(row: sqlite3.Row, metric: Metric) -> dict:
    """Return a run for a figure, with the parameters that it really had.

    It is a dictionary with the run's ID `run`, its `name`, its `state`, its parameters by dotted
    name as `point`, and the metric as `value`, None if it has none.
    """
    point = point_of(row["suggestion"], row["config"])
    return {
        "run": row["name"],
        "name": row["display_name"],
        "state": row["state"],
        "point": dict(history.flat(point)),
        "value": history.value_of(metric, row["summary"], row["extremes"]),
    }


@data
def run_curves(request: Request, visit: Visit) -> Response:
    """Serve the curves of what a run logged."""
    with visit.store.reading():
        _, run = find_run(visit.store, **request.path_params)
        rows = history.sample_history(visit.store, run, HISTORY_ROWS)
    logged = [(line, json.loads(row)) for line, row in rows]
    return curves_reply(request, history_curves(logged, StepMetrics(run.config)))


@data
def run_system(request: Request, visit: Visit) -> Response:
    """Serve the curves of a run's machine."""
    with visit.store.reading():
        _, run = find_run(visit.store, **request.path_params)
        rows = [*history.sample_rows(visit.store, "events", run, EVENT_ROWS)]
    return curves_reply(request, system_curves(list(map(json.loads, rows))))


def curves_reply(request: Request, found: dict) -> Response:
    """Return curves as JSON."""
    text = json.dumps(found, separators=(",", ":"), allow_nan=False).encode()
    return json_reply(request, gzip.compress(text, 1))


def json_reply(request: Request, zipped: bytes) -> Response:
    """Return gzipped JSON, or 304 if the browser has it already."""
    return tagged(request, gzipped(request, zipped, HEADERS, "application/json"))
