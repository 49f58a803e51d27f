"""What a run logs while it is running: the posts of its file stream.

A post holds any of `files` (name → offset and lines), `preempting`, `complete` and `exitcode`;
an empty one is a sign of life.  Everything in a post is kept before it is answered, or nothing;
of a very long one, some of its first lines may be kept, which its repetition does not change.
"""

from collections.abc import Callable
from typing import Any

from sweepserver.allowance import Allowance
from sweepserver.errors import ForbiddenError, NotFoundError, RequestError, until_ready
from sweepserver.inputs import LARGEST_INT32, flag, whole_number
from sweepserver.scheduling.lifecycle import Lifecycle
from sweepserver.search.values import shorten
from sweepserver.store import additions
from sweepserver.store.database import MOST_READ_BYTES, Store
from sweepserver.store.quota import Quota
from sweepserver.store.records import Project, Run

LINES_AT_ONCE = 10_000  # in one transaction, so that others come in between


def ingest(
    store: Store, lifecycle: Lifecycle, quota: Quota, path: tuple[str, str, str], body: Any
) -> dict:
    """Store a post of a run's file stream.

    Args:
        store: Where to.
        lifecycle: Decides the state that the run is in afterwards.
        quota: How much room the run's owner has.
        path: Entity, project and ID of the run.
        body: The parsed post.

    Returns:
        The reply: whether the client is to stop the run.

    Raises:
        RequestError: There is no such run, the post is not what a client sends, or there is no room
            for it.  Without room the run has failed, since its client uploads nothing more of it.
    """
    try:
        run = keep_all(store, lifecycle, quota, path, body)
    except ForbiddenError as error:
        reason = str(error)

        def end() -> None:
            with store.writing():
                lifecycle.refused(find_run(store, *path), reason)

        until_ready(end)
        raise
    return {"stopped": bool(run.stop_ordered)}


def keep_all(
    store: Store, lifecycle: Lifecycle, quota: Quota, path: tuple[str, str, str], body: Any
) -> Run:
    """Store a post as `ingest` does, and return the updated run."""
    quota.prepare(path[0])
    rest = {}
    for name, offset, texts in contents_of(body):
        if name in additions.WRITERS and texts:
            last = (len(texts) - 1) // LINES_AT_ONCE * LINES_AT_ONCE
            for first in range(0, last, LINES_AT_ONCE):
                some = texts[first : first + LINES_AT_ONCE]
                keep(store, quota, path, {name: additions.parsed(name, offset + first, some)})
            rest[name] = additions.parsed(name, offset + last, texts[last:])

    def attempt() -> Run:
        return keep(store, quota, path, rest, lambda run: lifecycle.posted(run, body))

    return until_ready(attempt)


def keep(
    store: Store,
    quota: Quota,
    path: tuple[str, str, str],
    parts: dict[str, additions.Part],
    then: Callable[[Run], Run] = lambda run: run,
) -> Run:
    """Store parts of a post in one transaction, and return the updated run.

    What takes longer, such as the rows of a run with many keys, is reckoned before, so that nobody
    else waits, and once more if the run has changed meanwhile.

    Args:
        store: Where to.
        quota: How much room the run's owner has.
        path: Entity, project and ID of the run.
        parts: The lines by the file that they are of.
        then: What is to be done with the run in the same transaction.
    """
    run: Run | None = None
    added: list[additions.Addition] | None = None
    while True:
        with store.writing(), quota.growing(path[0]):
            seen, run = run, find_run(store, *path)
            if added is None or run != seen:
                is_quick = additions.is_quick(run, parts)
                added = additions.of(store, run, parts) if is_quick else None
            if added is not None:
                return then(additions.write(store, run, added))
        with store.reading(Allowance(MOST_READ_BYTES)):
            added = additions.of(store, run, parts)


def find_run(store: Store, entity: str, project_name: str, name: str) -> Run:
    """Return the run that a post belongs to; raise a NotFoundError if there is none."""
    project = store.find(Project, entity=entity, name=project_name)
    run = project and store.find(Run, project_id=project.id, name=name)
    if run is None:
        raise NotFoundError(f"There is no run {entity}/{project_name}/{name}.")
    return run


def has_lines(body: object) -> bool:
    """Return whether a post stores anything besides a sign of life or an end."""
    return isinstance(body, dict) and bool(body.get("files"))


def contents_of(body: object) -> list[tuple[str, int, list[str]]]:
    """Return name, offset and lines of each file of a post; raise a RequestError if it is none."""
    if not isinstance(body, dict):
        raise RequestError(f"A post of a run must be a JSON object, not {shorten(body)}.")
    files = body.get("files") or {}
    if body.get("exitcode") is not None:
        whole_number(body["exitcode"], "exitcode in a post", -LARGEST_INT32, LARGEST_INT32)
    for name in ("complete", "preempting"):
        flag(body.get(name), f"{name} in a post")
    if not isinstance(files, dict):
        raise RequestError(f"The files of a post must be a JSON object, not {shorten(files)}.")
    return [(name, *content_of(name, content)) for name, content in files.items()]


def content_of(name: str, content: Any) -> tuple[int, list[str]]:
    """Return the offset and the lines of one file of a post."""
    try:
        offset, texts = content["offset"], content["content"]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError
    except (TypeError, KeyError) as error:
        raise RequestError(
            f"The part {shorten(name)} of a post must have an offset and lines of text."
        ) from error
    # Lines are counted in integers of 32 bits.
    most = LARGEST_INT32 - len(texts)
    return whole_number(offset, f"The offset in the part {shorten(name)} of a post", 0, most), texts
