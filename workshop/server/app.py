"""The application: routes, and what they answer when something is wrong."""

import asyncio
import errno
import json
import logging
import re
import sqlite3
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workshop.server import filestream, graphql, pages
from workshop.server.activity import Activity
from workshop.server.auth import Gate, require_owner
from workshop.server.blobs import Blobs, download_blob, download_by_key, upload_blob
from workshop.server.compute import Compute
from workshop.server.controller import Controller
from workshop.server.errors import RequestError
from workshop.server.files import Files, download, preflight, upload
from workshop.server.listings import Listings
from workshop.server.pages.figures import Figures
from workshop.server.pages.signin import Mistakes
from workshop.server.resolvers.context import Context
from workshop.server.standings import Standings
from workshop.server.store import Store

log = logging.getLogger(__name__)

# The client's posts stay below 10 MiB; `wandb verify` sends a document of 10 MB.
LARGEST_BODY = 16 * 2**20
MOST_DISCARDED = 64 * 2**20  # of a larger body, so that its sender gets to the answer
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # half of a pair, as JSON escapes it
SECONDS_BETWEEN_TENDINGS = 5
SQLITE_FULL = 13


async def graphql_endpoint(request: Request) -> Response:
    """Serve `/graphql`."""
    state = request.app.state
    user = state.gate.api_user(request)
    if user is None:
        return wrong_key()
    context = Context(
        user=user,
        base_url=str(request.base_url).rstrip("/"),
        store=state.store,
        controller=state.controller,
        gate=state.gate,
        files=state.files,
        blobs=state.blobs,
        listings=state.listings,
        compute=state.compute,
    )
    body, encoding = await read_body(request), request.headers.get("content-encoding")

    def answer() -> bytes:
        asked = parse_json(body, encoding)
        answered = graphql.reply(graphql.execute(context, asked))
        state.activity.hear(user, asked)
        return answered

    return Response(await run_in_threadpool(answer), media_type="application/json")


async def file_stream_endpoint(request: Request) -> Response:
    """Serve the posts of a run."""
    state, path = request.app.state, request.path_params
    user = state.gate.api_user(request)
    if user is None:
        return wrong_key()
    require_owner(user, path["entity"])
    names = (path["entity"], path["project"], path["run"])
    body, encoding = await read_body(request), request.headers.get("content-encoding")

    def answer() -> dict:
        return filestream.take(state.store, state.controller, names, parse_json(body, encoding))

    reply = JSONResponse(await run_in_threadpool(answer))
    state.outage = None
    return reply


def health(request: Request) -> Response:
    """Tell that this is the workshop's server, and which store it serves."""
    folder = str(request.app.state.store.folder)
    return JSONResponse({"status": "ok", "version": version("sweep-workshop"), "store": folder})


ROUTES = [
    Route("/graphql", graphql_endpoint, methods=["POST"]),
    Route("/files/{entity}/{project}/{run}/file_stream", file_stream_endpoint, methods=["POST"]),
    Route("/files/{entity}/{project}/{run}/{name:path}", download, methods=["GET"]),
    Route("/files/{entity}/{project}/{run}/{name:path}", preflight, methods=["OPTIONS"]),
    Route("/uploads/{run_id:int}/{token}/{name:path}", upload, methods=["PUT"]),
    Route("/artifact-files/{md5}/{token}", upload_blob, methods=["PUT"]),
    Route("/artifact-files/{md5}/{token}", download_blob, methods=["GET"]),
    Route("/artifactsV2/{path:path}", download_by_key, methods=["GET"]),
    Route("/health", health, methods=["GET"]),
    *pages.ROUTES,
]


async def read_body(request: Request) -> bytes:
    """Return the body of a request; raise a RequestError if it is too large."""
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= LARGEST_BODY:
            body += chunk
        elif size > MOST_DISCARDED:
            break
    if size > LARGEST_BODY:
        raise too_large()
    return bytes(body)


def parse_json(body: bytes, encoding: str | None) -> object:
    """Return what a JSON body holds, unzipped if need be.

    Raises:
        RequestError: The body is no JSON, or too large once it is unzipped.
    """
    if encoding == "gzip":
        body = unzip(body)
    try:
        text = body.decode() or "{}"
        value = json.loads(text)
        return whole_characters(value) if HALF_CHARACTER.search(text) else value
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body of the request is no JSON: {error}.") from error


def whole_characters(value: object) -> object:
    """Return a JSON value with question marks for halves of characters, which nothing can store."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {whole_characters(key): whole_characters(item) for key, item in value.items()}
    return value


def unzip(body: bytes) -> bytes:
    """Return a gzipped body's content, unless that is too large."""
    unzipper = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = unzipper.decompress(body, LARGEST_BODY)
    except zlib.error as error:
        raise RequestError(f"The body of the request is no gzip: {error}.") from error
    if unzipper.unconsumed_tail:
        raise too_large()
    return content


def too_large() -> RequestError:
    """Return the error for a body above the cap."""
    limit = f"{LARGEST_BODY // 2**20} MiB"
    return RequestError(
        f"The request is larger than {limit}, the most this server takes.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )


def wrong_key() -> Response:
    """Return the answer to a request without a key of this server."""
    return refuse(
        "The API key is not one of this W&B server; check WANDB_BASE_URL, WANDB_API_KEY and the "
        "netrc file, or ask whoever runs the server for your key file.",
        HTTPStatus.UNAUTHORIZED,
    )


def refuse(message: str, status: HTTPStatus) -> Response:
    """Return a reply that tells an error."""
    return Response(graphql.refusal(message), status, media_type="application/json")


def on_request_error(request: Request, error: RequestError) -> Response:
    """Answer a request that will fail again however often it is repeated."""
    if pages.is_page(request):
        return pages.problem(request, str(error), error.status)
    reply = refuse(str(error), error.status)
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        reply.headers["Connection"] = "close"  # or the rest would be read, however long it is
    return reply


def on_failure(request: Request, error: Exception) -> Response:
    """Answer after a fault of this server, which the framework logs; repeating cannot help."""
    return refuse(
        "The request failed inside the local W&B server; its log says more.",
        HTTPStatus.BAD_REQUEST,
    )


def on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    """End the work for a client that went away in the middle of its request."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def on_outage(request: Request, error: sqlite3.Error | OSError) -> Response:
    """Answer while the disk is full or broken: the client repeats its request until it succeeds."""
    full = (
        error.errno in (errno.ENOSPC, errno.EDQUOT)
        if isinstance(error, OSError)
        else getattr(error, "sqlite_errorcode", 0) & 0xFF == SQLITE_FULL
    )
    folder = request.app.state.store.folder
    if full:
        message = f"The disk of the store folder {folder} is full"
    else:
        message = f"The store folder {folder} cannot be written or read ({error})"
    if request.app.state.outage != message:
        log.error("%s; clients wait and repeat what they send until it can be kept.", message)
        request.app.state.outage = message
    return refuse(
        f"{message}.",
        HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.SERVICE_UNAVAILABLE,
    )


def make_app(store: Store, gate: Gate, has_leaderboard: bool = True) -> Starlette:
    """Return the application.

    Args:
        store: What it serves.
        gate: Who may ask.
        has_leaderboard: Whether everybody sees who of a class has the best run.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tending = asyncio.create_task(tend_for_ever(store, app.state.controller))
        yield
        tending.cancel()
        app.state.figures.close()
        app.state.compute.close()

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        exception_handlers={
            RequestError: on_request_error,
            sqlite3.Error: on_outage,
            OSError: on_outage,
            ClientDisconnect: on_disconnect,
            Exception: on_failure,
            HTTPStatus.NOT_FOUND: pages.not_found,
        },
    )
    app.state.store = store
    app.state.gate = gate
    app.state.activity = Activity(store)
    app.state.standings = Standings(store)
    app.state.mistakes = Mistakes()
    app.state.has_leaderboard = has_leaderboard and bool(gate.people)
    app.state.controller = Controller(store)
    app.state.files = Files(store)
    app.state.blobs = Blobs(store)
    app.state.listings = Listings(store)
    app.state.compute = Compute()
    app.state.figures = Figures(app.state.compute)
    app.state.outage = None
    return app


async def tend_for_ever(store: Store, controller: Controller) -> None:
    """Now and then, end the runs that have gone silent."""

    def tend() -> None:
        with store.writing():
            controller.tend()

    while True:
        await asyncio.sleep(SECONDS_BETWEEN_TENDINGS)
        try:
            await run_in_threadpool(tend)
        except sqlite3.Error:
            pass  # the disk is full, which whoever asks for something is told
        except Exception:
            log.exception("Looking after silent runs failed.")
