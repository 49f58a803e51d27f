"""HTTP endpoints to upload and download the files of runs."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from sweepserver.errors import ForbiddenError, NotFoundError, RequestError
from sweepserver.people.auth import require_owner
from sweepserver.queues import ASKING
from sweepserver.search.values import shorten
from sweepserver.services import services_of
from sweepserver.store.database import Store
from sweepserver.store.files import mimetype, run_is_gone
from sweepserver.store.quota import require_reserve
from sweepserver.store.records import File, Project, Run, User

LARGEST_UPLOAD_BYTES = 2 * 2**30  # what the client sends in one piece
MOST_DISCARDED_BYTES = 64 * 2**20  # of what is refused, so that its sender gets to the answer
SHOWN_IN_BROWSER = ("image/png", "image/jpeg", "image/gif", "image/webp", "text/plain")
CAREFULLY = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}


def upload_path(token: str, run: Run, name: str) -> str:
    """Return the percent-encoded path for uploading a file."""
    return f"/uploads/{run.id}/{token}/{quote(name)}"


def download_path(project: Project, run: Run, name: str) -> str:
    """Return the percent-encoded path for downloading a file."""
    return quote(f"/files/{project.entity}/{project.name}/{run.name}/{name}")


async def upload(request: Request) -> Response:
    """Receive a file; the address itself proves who may send it."""
    state = services_of(request.app)
    run_id, name = request.path_params["run_id"], request.path_params["name"]
    user = state.authenticator.uploader(request.path_params["token"], run_id, name)
    if user is None:
        raise ForbiddenError("This upload address isn't valid, or no longer is.")
    ASKING.set(user.name)
    run, entity = await run_in_threadpool(run_to_bring, state.store, user, run_id, name)
    async with received(request, entity, LARGEST_UPLOAD_BYTES, of_artifact=False) as (arrived, md5):
        await run_in_threadpool(state.files.keep, run, name, arrived, md5)
    return Response(status_code=HTTPStatus.OK)


@asynccontextmanager
async def received(
    request: Request, entity: str, limit: int, of_artifact: bool
) -> AsyncIterator[tuple[Path, bytes]]:
    """Write the body of a request to a file, and give its path and its MD5.

    Args:
        request: The request.
        entity: Whose bytes they are.
        limit: How many there may be.
        of_artifact: Whether they are of an artifact, not of a run's file.

    Raises:
        RequestError: There are more, or the person has no room for them.
        OSError: The disk is full.
    """
    state = services_of(request.app)
    path, md5 = state.files.arriving(), hashlib.md5(usedforsecurity=False)
    try:
        with state.quota.arrival(entity, of_artifact) as arrive:
            with path.open("wb") as file:

                def write(chunk: bytes) -> None:
                    if file.tell() + len(chunk) > limit:
                        raise RequestError(
                            f"The file is larger than this server takes, {limit // 2**30} GiB.",
                            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        )
                    arrive(len(chunk))
                    require_reserve(state.store.folder, len(chunk))
                    file.write(chunk)

                refusal, discarded = None, 0
                async for chunk in request.stream():
                    if refusal is None:
                        md5.update(chunk)
                        try:
                            await run_in_threadpool(write, chunk)
                        except RequestError as error:
                            refusal = error
                    else:
                        discarded += len(chunk)
                    if discarded > MOST_DISCARDED_BYTES:
                        break
            if refusal:
                raise refusal
            yield path, md5.digest()
    finally:
        path.unlink(missing_ok=True)


def run_to_bring(store: Store, user: User, run_id: int, name: str) -> tuple[Run, str]:
    """Return the run to which a file is brought, and whose it is, if its user may write to it."""
    with store.reading():
        run = store.find(Run, id=run_id)
        project = run and store.get(Project, run.project_id)
    if run is None or project is None:
        raise run_is_gone(name)
    require_owner(user, project.entity)
    return run, project.entity


def download(request: Request) -> Response:
    """Serve a file of a run to the API or to a browser.

    Anything that a browser might run is sent as an attachment, so that what one user uploaded
    cannot act on a page of another.
    """
    state, names = services_of(request.app), request.path_params
    if state.authenticator.page_user(request) is None:
        return PlainTextResponse("An API key is needed.", HTTPStatus.UNAUTHORIZED)
    with state.store.reading():
        project = state.store.find(Project, entity=names["entity"], name=names["project"])
        run = project and state.store.find(Run, project_id=project.id, name=names["run"])
        file = run and state.store.find(File, run_id=run.id, name=names["name"])
    if not run or not file:
        raise NotFoundError(f"There is no file {shorten(names['name'])} in this run.")
    kind = mimetype(file.name)
    if kind.startswith("text/") or kind == "application/json":
        kind = "text/plain"
    return FileResponse(
        state.files.path(run.id, file.name),
        media_type=kind,
        filename=PurePosixPath(file.name).name,
        content_disposition_type="inline" if kind in SHOWN_IN_BROWSER else "attachment",
        headers=CAREFULLY,
    )


def preflight(request: Request) -> Response:
    """Tell a browser which pages' scripts may read a file: those of this server alone."""
    own = str(request.base_url).rstrip("/")
    if request.headers.get("origin") != own:
        return PlainTextResponse("Only pages of this server may read files.", HTTPStatus.FORBIDDEN)
    return Response(
        status_code=HTTPStatus.NO_CONTENT,
        headers={
            "Access-Control-Allow-Origin": own,
            "Access-Control-Allow-Methods": "GET, PUT",
            "Vary": "Origin",
        },
    )
