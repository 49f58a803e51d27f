"""What a run logs while it goes on: the posts of its file stream.

A post holds any of `files` (name → offset and lines), `preempting`, `complete` and `exitcode`;
an empty one is a sign of life.  Everything in a post is kept before it is answered, or nothing.
"""

import operator

from workshop.server import lines
from workshop.server.controller import Controller
from workshop.server.errors import NotFoundError, RequestError
from workshop.server.records import Project, Run
from workshop.server.store import Store
from workshop.server.values import shorten


def take(store: Store, controller: Controller, path: tuple[str, str, str], body: object) -> dict:
    """Keep a post of a run's file stream.

    Args:
        store: Where to.
        controller: Decides the state that the run is in afterwards.
        path: Entity, project and ID of the run.
        body: The parsed post.

    Returns:
        The reply: whether the client shall stop the run.

    Raises:
        RequestError: There is no such run, or the post is not what a client sends.
    """
    entity, project_name, run_name = path
    contents = contents_of(body)
    with store.writing():
        project = store.find(Project, entity=entity, name=project_name)
        run = project and store.find(Run, project_id=project.id, name=run_name)
        if run is None:
            raise NotFoundError(f"There is no run {entity}/{project_name}/{run_name}.")
        changes = {}
        for name, offset, texts in contents:
            if name in lines.WRITERS and texts:
                changes |= lines.WRITERS[name](store, run, offset, texts)
        run = store.change(run, **changes)
        run = controller.posted(run, body)
    return {"stopped": bool(run.stop_ordered)}


def contents_of(body: object) -> list[tuple[str, int, list[str]]]:
    """Return name, offset and lines of each file of a post; raise a RequestError if it is none."""
    if not isinstance(body, dict):
        raise RequestError(f"A post of a run must be a JSON object, not {shorten(body)}.")
    code, files = body.get("exitcode") or 0, body.get("files") or {}
    if not isinstance(code, int) or abs(code) >= 2**31:
        raise RequestError(f"The exitcode of a post must be an integer, not {shorten(code)}.")
    if not isinstance(files, dict):
        raise RequestError(f"The files of a post must be a JSON object, not {shorten(files)}.")
    return [(name, *content_of(name, content)) for name, content in files.items()]


def content_of(name: str, content: object) -> tuple[int, list[str]]:
    """Return the offset and the lines of one file of a post."""
    try:
        offset, texts = content["offset"], content["content"]
        if not 0 <= operator.index(offset) < 2**62:
            raise TypeError
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TypeError
        return offset, texts
    except (TypeError, KeyError) as error:
        raise RequestError(
            f"The part {shorten(name)} of a post must have an offset and lines of text."
        ) from error
