"""HTTP endpoints to upload and download the contents of artifacts.

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
from sweepserver.services import services_of
from sweepserver.store.records import User

LARGEST_FILE_BYTES = 64 * 2**30


def blob_path(token: str, md5: str) -> str:
    """Return the path for uploading and downloading contents."""
    return f"/artifact-files/{md5}/{token}"


async def upload_blob(request: Request) -> Response:
    """Receive an upload; the address itself proves who may send it."""
    state, md5 = services_of(request.app), request.path_params["md5"]
    user = owner_of_address(request)
    ASKING.set(user.name)
    async with received(request, user.entity, LARGEST_FILE_BYTES, of_artifact=True) as (
        arrived,
        found,
    ):
        if found.hex() != md5:
            raise RequestError(
                f"The bytes that arrived do not have the MD5 {md5}; send them again."
            )
        await run_in_threadpool(state.blobs.keep, md5, arrived)
    return Response(status_code=HTTPStatus.OK)


def download_blob(request: Request) -> Response:
    """Serve contents to anybody who has the address."""
    owner_of_address(request)
    md5 = request.path_params["md5"]
    return send(request, md5, md5)


def download_by_key(request: Request) -> Response:
    """Serve contents at the address that the client builds for a single file of an artifact.

    It is `/artifactsV2/REGION/ENTITY/PROJECT/COLLECTION/BIRTH-ARTIFACT-ID/MD5/NAME`, and asked
    with the key; who has one may read everything.
    """
    if services_of(request.app).authenticator.page_user(request) is None:
        return PlainTextResponse("An API key is needed.", HTTPStatus.UNAUTHORIZED)
    *_, md5, name = f"/{request.path_params['path']}".split("/")
    return send(request, md5, name)


def owner_of_address(request: Request) -> User:
    """Return the user to whom an address of bytes was given.

    Raises:
        ForbiddenError: It is nobody's, or of somebody who has been locked out.
    """
    names = request.path_params
    authenticator = services_of(request.app).authenticator
    user = authenticator.blob_user(names["token"], names["md5"])
    if user is None:
        raise ForbiddenError("This address of an artifact's file isn't valid, or no longer is.")
    return user


def send(request: Request, md5: str, name: str) -> Response:
    """Return a reply with bytes, as an attachment of some name that no browser runs."""
    state = services_of(request.app)
    with state.store.reading():
        found = re.fullmatch("[0-9a-f]{32}", md5) and state.blobs.has(md5)
    if not found:
        raise NotFoundError("There is no artifact file at this address.")
    return FileResponse(
        state.blobs.path(md5),
        media_type="application/octet-stream",
        filename=name,
        content_disposition_type="attachment",
        headers=CAREFULLY,
    )
