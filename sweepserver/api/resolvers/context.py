"""The context of a request: what resolvers use, and how they find records."""

import base64
import binascii
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sweepserver.allowance import MIB, Allowance
from sweepserver.api.pagination import Listings, offset_in
from sweepserver.errors import NotFoundError, RequestError, Unready
from sweepserver.inputs import require_printable
from sweepserver.people.auth import Authenticator, require_owner
from sweepserver.scheduling.compute import Compute
from sweepserver.scheduling.dispatch import Dispatcher
from sweepserver.scheduling.lifecycle import Lifecycle
from sweepserver.scheduling.proposals import Prepared
from sweepserver.search.values import shorten
from sweepserver.store import history
from sweepserver.store.blobs import Blobs
from sweepserver.store.database import Store
from sweepserver.store.files import Files
from sweepserver.store.quota import Quota
from sweepserver.store.records import (
    Agent,
    Artifact,
    Collection,
    File,
    Manifest,
    Project,
    Record,
    Run,
    Sweep,
    User,
)

DEFAULT_PROJECT = "uncategorized"
# What a record that is in no project itself belongs to, and the column that tells which.
OWNERS: dict[type[Record], tuple[type[Record], str]] = {
    Agent: (Sweep, "sweep_id"),
    File: (Run, "run_id"),
    Artifact: (Collection, "collection_id"),
    Manifest: (Artifact, "artifact_id"),
}
Thing = TypeVar("Thing", Run, Sweep, Agent, File, Collection, Artifact, Manifest)
MOST_ANSWERED_BYTES = 32 * MIB  # of one mutation, while nobody else can write
Result = TypeVar("Result")
Item = TypeVar("Item")
FORBIDDEN_IN_NAMES = set("/\\#?%:")


@dataclass(frozen=True)
class Context:
    """One request of a user.

    Attributes:
        user: Who asks.
        base_url: The server's address as the client knows it.
        store: Where everything is.
        lifecycle: Decides the states of runs and sweeps.
        dispatcher: Gives out runs to agents.
        authenticator: Signs upload addresses.
        files: The bytes of uploaded files.
        blobs: The bytes of artifacts.
        listings: The lists that clients read page by page.
        compute: The process for what takes seconds; not to be waited for inside a transaction.
        quota: How much room people have.
        afterwards: What to do once the request is kept, such as deleting bytes.
        prepared: The point that was computed for this request, if it was pending.
        results: What was worked out for this request outside the transaction.
        sweep_names: The IDs of sweeps that the request asked for already, by their numbers.
        allowance: What the request may still read and answer.
    """

    user: User
    base_url: str
    store: Store
    lifecycle: Lifecycle
    dispatcher: Dispatcher
    authenticator: Authenticator
    files: Files
    blobs: Blobs
    listings: Listings
    compute: Compute
    quota: Quota
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    prepared: Prepared | None = None
    results: dict[tuple, Any] = field(default_factory=dict)
    sweep_names: dict[int, str] = field(default_factory=dict)
    allowance: Allowance = field(default_factory=lambda: Allowance(MOST_ANSWERED_BYTES))

    def worked_out(self, work: Callable[..., Result], *arguments: Hashable) -> Result:
        """Return the result of a slow function, which is called outside the transaction.

        Raises:
            Unready: It is to be called first.
        """
        call = (work, *arguments)
        if call not in self.results:
            raise Unready(call)
        return self.results[call]

    def project(self, name: str | None, entity: str | None) -> Project | None:
        """Return a project to read from; entity and name default as they do for writing."""
        return self.store.find(
            Project, entity=entity or self.user.entity, name=name or DEFAULT_PROJECT
        )

    def project_to_write(self, name: str | None, entity: str | None) -> Project:
        """Return a project to write to, made if it does not exist.

        Raises:
            RequestError: The entity is not the user's, or the name cannot be a project's.
        """
        entity, name = entity or self.user.entity, name or DEFAULT_PROJECT
        self.require_owner(entity)
        if project := self.store.find(Project, entity=entity, name=name):
            return project
        check_name(name, "a project's name")
        if self.store.find(User, entity=entity) is None:
            raise NotFoundError(
                f"There is no entity {shorten(entity)} on this server; yours is "
                f"{self.user.entity!r}: leave out the entity, or unset WANDB_ENTITY."
            )
        return self.store.add(Project, entity=entity, name=name, created_at=self.lifecycle.now())

    def run_to_write(self, name: str, project: str | None, entity: str | None) -> Run:
        """Return a run to write to, by its ID.

        Raises:
            RequestError: The entity is not the user's, or there is no such run.
        """
        place = self.project_to_write(project, entity)
        run = self.store.find(Run, project_id=place.id, name=name)
        if run is None:
            raise NotFoundError(f"There is no run {place.entity}/{place.name}/{shorten(name)}.")
        return run

    def make_room(self, run: Run) -> None:
        """Delete the lines of a run in several transactions while there are many of them.

        Raises:
            Unready: They are to be deleted first.
        """
        if run.history_lines + run.events_lines + run.log_lines > history.ROWS_DELETED_AT_ONCE:
            self.worked_out(history.delete_in_parts, self.store, run)

    def require_owner(self, entity: str) -> None:
        """Raise a ForbiddenError unless the user may write to an entity."""
        require_owner(self.user, entity)

    def sweep(self, name: str, project: Project | None) -> Sweep | None:
        """Return a sweep by its ID, which is unique over all projects."""
        sweep = self.store.find(Sweep, name=name)
        fits = sweep and (project is None or sweep.project_id == project.id)
        return sweep if fits else None

    def sweep_name(self, number: int) -> str:
        """Return the ID of a sweep by its number; the runs of a page often share one."""
        if number not in self.sweep_names:
            self.sweep_names[number] = self.store.get(Sweep, number).name
        return self.sweep_names[number]

    def with_global_id(self, kind: type[Thing], global_id: str) -> Thing | None:
        """Return the record that a global ID names."""
        try:
            text = base64.b64decode(global_id, validate=True).decode()
        except (binascii.Error, ValueError):
            return None
        prefix, _, number = text.partition(":")
        known = prefix == kind.__name__ and number.isdecimal() and len(number) < 19
        return self.store.find(kind, id=int(number)) if known else None

    def by_global_id(self, kind: type[Thing], global_id: str) -> Thing:
        """Return the record that a global ID names, if the user may write it.

        Raises:
            RequestError: There is no such record, or it belongs to someone else.
        """
        record = self.with_global_id(kind, global_id)
        if record is None:
            raise NotFoundError(
                f"There is no {kind.__name__.lower()} with the ID {shorten(global_id)}."
            )
        self.require_owner(self.project_of(record).entity)
        return record

    def project_of(self, record: Record) -> Project:
        """Return the project that a record belongs to."""
        while not hasattr(record, "project_id"):
            kind, number = OWNERS[type(record)]
            record = self.store.get(kind, getattr(record, number))
        return self.store.get(Project, record.project_id)


def check_name(name: str, what: str) -> None:
    """Raise a RequestError if a name isn't allowed in an address, by W&B's rule."""
    require_printable(name, what)
    if FORBIDDEN_IN_NAMES & set(name) or len(name) > 128:
        raise RequestError(
            f"{shorten(name)} cannot be {what}: use at most 128 characters, none of / \\ # ? % :"
        )


def global_id(record: Record) -> str:
    """Return the ID by which the API names a record: its kind and number, in base64.

    The client turns an artifact's ID into hexadecimal and back where another refers to it
    (`wandb-artifact://HEX/file`).
    """
    return base64.b64encode(f"{type(record).__name__}:{record.id}".encode()).decode()


def connection(
    items: Sequence[Item],
    first: int | None = None,
    after: str | None = None,
    node: Callable[[Item], object] | None = None,
) -> dict:
    """Return a page of items as GraphQL's connections show it.

    Args:
        items: All of them, in order.
        first: How many to return; all if None.
        after: The cursor behind which to start.
        node: Makes the object that answers for an item; what is registered for its type if None.
    """
    start = offset_in(after)
    part = items[start : end_of_page(start, first)]
    cursors = [str(start + i) for i in range(1, len(part) + 1)]
    found = page([*map(node, part)] if node else part, cursors, start + len(part) < len(items))
    return found | {"total_count": len(items)}


def runs_connection(
    context: Context,
    key: Hashable,
    find: Callable[[], Iterable[int]],
    first: int | None,
    after: str | None,
) -> dict:
    """Return a page of a list of runs; only the page's own runs are read.

    Args:
        context: The request.
        key: Tells the list from all others.
        find: Returns the numbers of all its runs, in order.
        first: As in `connection`.
        after: As in `connection`.
    """
    listing, start = context.listings.behind(after, key, find)
    ids = listing.ids[start : end_of_page(start, first)]
    runs = context.store.with_ids(Run, ids)
    places = {number: start + i for i, number in enumerate(ids, start=1)}
    cursors = [f"{listing.token}:{places[run.id]}" for run in runs]
    return page(runs, cursors, start + len(ids) < len(listing.ids))


def end_of_page(start: int, first: int | None) -> int | None:
    """Return where a page of `first` items ends that begins at `start`."""
    return None if first is None else start + first


def page(nodes: Sequence, cursors: list[str], has_next: bool) -> dict:
    """Return a connection with these nodes."""
    return {
        "edges": [
            {"node": node, "cursor": cursor} for node, cursor in zip(nodes, cursors, strict=True)
        ],
        "page_info": {"end_cursor": cursors[-1] if cursors else None, "has_next_page": has_next},
    }
