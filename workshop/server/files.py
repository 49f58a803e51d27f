"""The files of runs: where their bytes lie, and the HTTP requests that bring and fetch them.

A file is stored under the run's number and a hash of the file's name, so that no name that a
client thinks of can lead out of the store's folder.
"""

import base64
import hashlib
import mimetypes
import shutil
import time
import uuid
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from workshop.server.errors import ForbiddenError, NotFoundError, RequestError
from workshop.server.records import File, Project, Run
from workshop.server.store import Store
from workshop.server.values import shorten

LONGEST_NAME = 1000
LARGEST_UPLOAD = 2 * 2**30  # what the client sends in one piece
SHOWN_IN_BROWSER = ("image/png", "image/jpeg", "image/gif", "image/webp", "text/plain")
CAREFULLY = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}


class Files:
    """The bytes of uploaded files, in the folder `files` of a store.

    Args:
        store: The store, which has a record of each file.
    """

    def __init__(self, store: Store):
        self._store = store
        self._folder = store.folder / "files"
        self._folder.mkdir(exist_ok=True)
        for unfinished in self._folder.glob("arriving-*"):
            unfinished.unlink()

    def path(self, run_id: int, name: str) -> Path:
        """Return where the bytes of a file lie."""
        return self._folder / str(run_id) / hashlib.sha256(name.encode()).hexdigest()

    def arriving(self) -> Path:
        """Return a fresh path for bytes that are still coming in."""
        return self._folder / f"arriving-{uuid.uuid4().hex}"

    def keep(self, run: Run, name: str, arrived: Path, md5: bytes) -> None:
        """Make arrived bytes the content of a run's file."""
        values = {
            "size": arrived.stat().st_size,
            "md5": base64.b64encode(md5).decode(),
            "updated_at": time.time(),
        }
        path = self.path(run.id, name)
        path.parent.mkdir(exist_ok=True)
        with self._store.writing():
            arrived.replace(path)
            if file := self._store.find(File, run_id=run.id, name=name):
                self._store.change(file, **values)
            else:
                self._store.add(File, run_id=run.id, name=name, **values)

    def remove(self, file: File) -> None:
        """Delete the bytes of a file."""
        self.path(file.run_id, file.name).unlink(missing_ok=True)

    def remove_all(self, run: Run) -> None:
        """Delete the bytes of all files of a run."""
        shutil.rmtree(self._folder / str(run.id), ignore_errors=True)


def clean_name(name: str) -> str:
    """Return a file's name as it is stored: `./x` is `x`.

    Raises:
        RequestError: The name is empty or too long, or steps out of the run's folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or len(name) > LONGEST_NAME:
        raise RequestError(f"{shorten(name)} is no name for a file of a run.")
    return str(path)


def mimetype(name: str) -> str:
    """Return the media type that a file's name suggests."""
    if name.endswith((".log", ".yaml", ".yml")):
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def upload_path(token: str, run: Run, name: str) -> str:
    """Return the path, percent-encoded, to which a file is uploaded."""
    return f"/uploads/{run.id}/{token}/{quote(name)}"


def download_path(project: Project, run: Run, name: str) -> str:
    """Return the path, percent-encoded, at which a file is found."""
    return quote(f"/files/{project.entity}/{project.name}/{run.name}/{name}")


async def upload(request: Request) -> Response:
    """Take the bytes of a file; the address itself proves that the run asked for it."""
    state = request.app.state
    run_id, name = request.path_params["run_id"], request.path_params["name"]
    if not state.gate.allows_upload(run_id, name, request.path_params["token"]):
        raise ForbiddenError("This upload address is not valid.")
    arriving = state.files.arriving()
    try:
        md5 = await receive(request, arriving, LARGEST_UPLOAD)
        await run_in_threadpool(keep_upload, state, run_id, name, arriving, md5)
    finally:
        arriving.unlink(missing_ok=True)
    return Response(status_code=HTTPStatus.OK)


async def receive(request: Request, arriving: Path, limit: int) -> bytes:
    """Write the body of a request to a path, and return its MD5.

    Raises:
        RequestError: There are more than `limit` bytes.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    with arriving.open("wb") as file:
        async for chunk in request.stream():
            md5.update(chunk)
            if file.tell() + len(chunk) > limit:
                raise RequestError(
                    f"The file is larger than this server takes, {limit // 2**30} GiB.",
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                )
            await run_in_threadpool(file.write, chunk)
    return md5.digest()


def keep_upload(state, run_id: int, name: str, arrived: Path, md5: bytes) -> None:
    """Keep an upload if its run is still there."""
    with state.store.reading():
        run = state.store.find(Run, id=run_id)
    if run is None:
        raise NotFoundError(f"The run of the file {shorten(name)} does not exist any more.")
    state.files.keep(run, name, arrived, md5)


def download(request: Request) -> Response:
    """Give a file of a run to the API or to a browser.

    Anything that a browser might run is sent as an attachment, so that what one user uploaded
    cannot act on a page of another.
    """
    state, names = request.app.state, request.path_params
    if state.gate.page_user(request) is None:
        return PlainTextResponse("An API key is needed.", HTTPStatus.UNAUTHORIZED)
    with state.store.reading():
        project = state.store.find(Project, entity=names["entity"], name=names["project"])
        run = project and state.store.find(Run, project_id=project.id, name=names["run"])
        file = run and state.store.find(File, run_id=run.id, name=names["name"])
    if not file:
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
