"""The bytes of artifacts: where they lie, and the HTTP requests that bring and fetch them.

Contents are known by their MD5, as in the client's manifests, and lie under it: each is kept
once, whatever files of whatever artifacts have it.  What arrives must have the MD5 that was
announced.  The client uploads and downloads them without a key, so addresses carry a secret.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from workshop.server.errors import ForbiddenError, NotFoundError, RequestError
from workshop.server.files import CAREFULLY, received
from workshop.server.queues import ASKING
from workshop.server.records import User
from workshop.server.store import Store

LARGEST_FILE = 64 * 2**30  # bytes
SECONDS_TO_ARRIVE = 7 * 86400  # for all of an artifact
REMOVED_AT_ONCE = 500


class Blobs:
    """The bytes of artifacts, in the folder `artifacts` of a store.

    Args:
        store: The store, which knows what has arrived and which artifact needs it.
    """

    def __init__(self, store: Store):
        self._store = store
        self._folder = store.folder / "artifacts"
        self._folder.mkdir(exist_ok=True)
        self._forget_unfinished()

    def _forget_unfinished(self) -> None:
        """Delete artifacts whose clients have been gone for long before everything arrived."""
        end = time.time() - SECONDS_TO_ARRIVE
        with self._store.writing():
            rows = self._store.execute(
                "SELECT DISTINCT md5 FROM blob_uses JOIN artifacts ON artifacts.id = artifact_id "
                "WHERE version IS NULL AND created_at < ?",
                end,
            )
            md5s = [md5 for (md5,) in rows]
            self._store.execute(
                "DELETE FROM artifacts WHERE version IS NULL AND created_at < ?", end
            )
        self.remove_unneeded(md5s)

    def path(self, md5: str) -> Path:
        """Return where the bytes with an MD5, in hexadecimal, lie."""
        return self._folder / md5[:2] / md5

    def has(self, md5: str) -> bool:
        """Tell whether bytes have arrived."""
        return self._store.execute("SELECT 1 FROM blobs WHERE md5 = ?", md5).fetchone() is not None

    def need(self, artifact_id: int, md5s: Iterable[str]) -> None:
        """Note that an artifact needs bytes, which are kept as long as it does."""
        self._store.execute_many(
            "INSERT OR IGNORE INTO blob_uses (artifact_id, md5) VALUES (?, ?)",
            [(artifact_id, md5) for md5 in md5s],
        )

    def needed_by(self, artifact_id: int) -> list[str]:
        """Return the MD5 of all bytes that an artifact needs."""
        rows = self._store.execute("SELECT md5 FROM blob_uses WHERE artifact_id = ?", artifact_id)
        return [md5 for (md5,) in rows]

    def keep(self, md5: str, arrived: Path) -> None:
        """Keep arrived bytes, if an artifact needs them."""
        with self._store.writing():
            if not self._is_needed(md5):
                raise NotFoundError("The artifact of this file does not exist any more.")
            self._put(md5, arrived)

    def add(self, artifact_id: int, content: bytes, draft: Path) -> str:
        """Keep bytes of this server's own making for an artifact, and return their MD5.

        Args:
            artifact_id: The artifact.
            content: The bytes.
            draft: Where to write them first.
        """
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        draft.write_bytes(content)
        self.need(artifact_id, [md5])
        self._put(md5, draft)
        return md5

    def remove_unneeded(self, md5s: list[str]) -> None:
        """Delete those bytes that no artifact needs any more."""
        for some in parts_of(md5s):
            with self._store.writing():
                for md5 in some:
                    if not self._is_needed(md5):
                        self._store.execute("DELETE FROM blobs WHERE md5 = ?", md5)
            with self._store.writing():  # so nobody can bring the same bytes meanwhile
                for md5 in some:
                    if not self.has(md5):
                        self.path(md5).unlink(missing_ok=True)

    def _is_needed(self, md5: str) -> bool:
        found = self._store.execute("SELECT 1 FROM blob_uses WHERE md5 = ? LIMIT 1", md5)
        return found.fetchone() is not None

    def _put(self, md5: str, arrived: Path) -> None:
        size = arrived.stat().st_size
        self.path(md5).parent.mkdir(exist_ok=True)
        arrived.replace(self.path(md5))
        self._store.execute("INSERT OR IGNORE INTO blobs (md5, size) VALUES (?, ?)", md5, size)


def parts_of(md5s: list[str]) -> Iterator[list[str]]:
    """Yield some at a time, so that others come in between."""
    return (md5s[i : i + REMOVED_AT_ONCE] for i in range(0, len(md5s), REMOVED_AT_ONCE))


def blob_path(token: str, md5: str) -> str:
    """Return the path to which bytes are uploaded and at which they are found."""
    return f"/artifact-files/{md5}/{token}"


async def upload_blob(request: Request) -> Response:
    """Take bytes; the address itself proves who was to bring them."""
    state, md5 = request.app.state, request.path_params["md5"]
    user = owner_of_address(request)
    ASKING.set(user.name)
    async with received(request, user.entity, LARGEST_FILE) as (arrived, found):
        if found.hex() != md5:
            raise RequestError(
                f"The bytes that arrived do not have the MD5 {md5}; send them again."
            )
        await run_in_threadpool(state.blobs.keep, md5, arrived)
    return Response(status_code=HTTPStatus.OK)


def download_blob(request: Request) -> Response:
    """Give bytes to whoever has the address."""
    owner_of_address(request)
    md5 = request.path_params["md5"]
    return send(request, md5, md5)


def download_by_key(request: Request) -> Response:
    """Give bytes at the address that the client makes up for a single file of an artifact.

    It is `/artifactsV2/REGION/ENTITY/PROJECT/COLLECTION/BIRTH-ARTIFACT-ID/MD5/NAME`, and asked
    with the key; who has one may read everything.
    """
    if request.app.state.gate.page_user(request) is None:
        return PlainTextResponse("An API key is needed.", HTTPStatus.UNAUTHORIZED)
    *_, md5, name = ["", *request.path_params["path"].split("/")]
    return send(request, md5, name)


def owner_of_address(request: Request) -> User:
    """Return the user to whom an address of bytes was given.

    Raises:
        ForbiddenError: It is nobody's, or of somebody who has been locked out.
    """
    names = request.path_params
    user = request.app.state.gate.blob_user(names["token"], names["md5"])
    if user is None:
        raise ForbiddenError("This address of an artifact's file is not valid, or not any more.")
    return user


def send(request: Request, md5: str, name: str) -> Response:
    """Return a reply with bytes, as an attachment of some name that no browser runs."""
    state = request.app.state
    with state.store.reading():
        found = re.fullmatch("[0-9a-f]{32}", md5) and state.blobs.has(md5)
    if not found:
        raise NotFoundError("There are no bytes of an artifact at this address.")
    return FileResponse(
        state.blobs.path(md5),
        media_type="application/octet-stream",
        filename=name,
        content_disposition_type="attachment",
        headers=CAREFULLY,
    )
