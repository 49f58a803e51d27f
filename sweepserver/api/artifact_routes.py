"""The HTTP requests that bring and fetch the bytes of artifacts.

The client uploads and downloads them without a key, so addresses carry a secret.
"""

import re
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from sweepserver.api.file_routes import CAREFULLY, received
from sweepserver.errors import ForbiddenError, NotFoundError, RequestError
from sweepserver.queues import ASKING
from sweepserver.store.records import User

LARGEST_FILE = 64 * 2**30  # bytes


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
    if request.app.state.authenticator.page_user(request) is None:
        return PlainTextResponse("An API key is needed.", HTTPStatus.UNAUTHORIZED)
    *_, md5, name = ["", *request.path_params["path"].split("/")]
    return send(request, md5, name)


def owner_of_address(request: Request) -> User:
    """Return the user to whom an address of bytes was given.

    Raises:
        ForbiddenError: It is nobody's, or of somebody who has been locked out.
    """
    names = request.path_params
    user = request.app.state.authenticator.blob_user(names["token"], names["md5"])
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
