"""The services that request handlers use."""

from collections.abc import Callable
from typing import Any, Protocol

from starlette.applications import Starlette

from sweepserver.people.activity import Activity
from sweepserver.people.auth import Authenticator
from sweepserver.people.leaderboard import Standings
from sweepserver.queues import Queues
from sweepserver.scheduling.compute import Compute
from sweepserver.scheduling.dispatch import Dispatcher
from sweepserver.scheduling.lifecycle import Lifecycle
from sweepserver.store.blobs import Blobs
from sweepserver.store.database import Store
from sweepserver.store.files import Files
from sweepserver.store.quota import Quota


class Drawing(Protocol):
    """What gives the figures of sweeps: `pages.figures.Figures`."""

    def get(
        self, sweep_id: int, version: str, arguments: Callable[[], tuple]
    ) -> tuple[dict[str, bytes] | None, bool]:
        """Return the figures of a sweep by theme, and whether they are right."""

    def close(self) -> None:
        """Stop drawing."""


class Services(Protocol):
    """The state of the application, which `app.make_app` fills.

    Attributes:
        store: Where everything is.
        authenticator: Who may ask.
        activity: What each user has done so far.
        standings: Whose run is best.
        has_leaderboard: Whether everybody sees that.
        lifecycle: Decides the states of runs and sweeps.
        dispatcher: Gives out runs to agents.
        files: The bytes of uploaded files.
        blobs: The bytes of artifacts.
        quota: How much room people have.
        queues: Whose turn it is.
        compute: The process for what takes seconds.
        figures: Draws the figures of sweeps; None if nothing does.
        outage: Why nothing can be kept at the moment, None if it can.
        instance: Tells this server from all others.
    """

    store: Store
    authenticator: Authenticator
    activity: Activity
    standings: Standings
    has_leaderboard: bool
    lifecycle: Lifecycle
    dispatcher: Dispatcher
    files: Files
    blobs: Blobs
    quota: Quota
    queues: Queues
    compute: Compute
    figures: Drawing | None
    outage: str | None
    instance: str


def services_of(app: Starlette) -> Services:
    """Return the state of an application, of which Starlette itself knows no types."""
    state: Any = app.state
    return state
