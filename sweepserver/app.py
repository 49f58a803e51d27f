"""The application: routes, and what they answer when something is wrong."""

import asyncio
import errno
import json
import logging
import re
import secrets
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sweepserver import pages
from sweepserver.api import filestream, graphql
from sweepserver.api.artifact_routes import download_blob, download_by_key, upload_blob
from sweepserver.api.file_routes import MOST_DISCARDED_BYTES, download, preflight, upload
from sweepserver.api.pagination import Listings
from sweepserver.api.resolvers.context import Context
from sweepserver.errors import RequestError, until_ready
from sweepserver.pages.figures import Figures
from sweepserver.pages.signin import SignInRateLimit
from sweepserver.people.activity import Activity
from sweepserver.people.auth import Authenticator, require_owner
from sweepserver.people.leaderboard import Standings
from sweepserver.queues import Places, Queues
from sweepserver.scheduling.compute import Compute
from sweepserver.scheduling.dispatch import Dispatcher
from sweepserver.scheduling.lifecycle import Lifecycle
from sweepserver.services import services_of
from sweepserver.store.blobs import Blobs
from sweepserver.store.database import Store
from sweepserver.store.files import Files
from sweepserver.store.quota import DEFAULT_QUOTA_GIB, Quota, require_reserve

log = logging.getLogger(__name__)

# The client's posts stay below 10 MiB; `wandb verify` sends a document of 10 MB.
LARGEST_BODY_BYTES = 16 * 2**20
SHORT_BODY_BYTES = 10_000  # of a mutation that is taken though the disk is full, such as to delete
TIMES_WRITTEN = 2  # what is kept: to the database's journal first
SMALL_BODY_BYTES = 2**18  # many of these fit into memory at once
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")  # half of a pair, as JSON escapes it
REAPING_INTERVAL_S = 5
SQLITE_FULL = 13


async def graphql_endpoint(request: Request) -> Response:
    """Serve `/graphql`."""
    state = services_of(request.app)
    user = state.authenticator.api_user(request)
    if user is None:
        return wrong_key()
    context = Context(
        user=user,
        base_url=str(request.base_url).rstrip("/"),
        store=state.store,
        lifecycle=state.lifecycle,
        dispatcher=state.dispatcher,
        authenticator=state.authenticator,
        files=state.files,
        blobs=state.blobs,
        listings=request.app.state.listings,
        compute=state.compute,
        quota=state.quota,
    )
    places = state.queues.of(user.name)

    def answer() -> bytes:
        if asked.is_mutation and len(body) > SHORT_BODY_BYTES:
            require_room(state.store, body, encoding)
        answered = graphql.reply(graphql.execute(context, asked))
        state.activity.touch(user, content)
        return answered

    async with body_of(request, places) as (body, encoding):
        async with places.parses:
            content, asked = await run_in_threadpool(read_graphql, body, encoding)
        async with places.mutations if asked.is_mutation else places.reads:
            answered = await run_in_threadpool(answer)
    return Response(answered, media_type="application/json")


def read_graphql(body: bytes, encoding: str | None) -> tuple[object, graphql.Request]:
    """Return the content of a body, and the request that it is."""
    content = parse_json(body, encoding)
    return content, graphql.read(content)


async def file_stream_endpoint(request: Request) -> Response:
    """Serve the posts of a run."""
    state, path = services_of(request.app), request.path_params
    user = state.authenticator.api_user(request)
    if user is None:
        return wrong_key()
    require_owner(user, path["entity"])
    names = (path["entity"], path["project"], path["run"])
    places = state.queues.of(user.name)
    async with body_of(request, places) as (body, encoding), places.posts:

        def answer() -> dict:
            post = parse_json(body, encoding)
            has_lines = filestream.has_lines(post)
            if has_lines:
                require_room(state.store, body, encoding)
            reply = filestream.ingest(state.store, state.lifecycle, state.quota, names, post)
            if has_lines:
                state.outage = None
            return reply

        return JSONResponse(await run_in_threadpool(answer))


def health(request: Request) -> Response:
    """Identify this server and this instance of it.

    Strangers may ask: who can read the store's folder finds the same `instance` in `server.json`.
    """
    return JSONResponse({"status": "ok", "instance": services_of(request.app).instance})


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


@asynccontextmanager
async def body_of(request: Request, places: Places) -> AsyncIterator[tuple[bytes, str | None]]:
    """Give the body of a request and its encoding, and a place while it is worked on.

    Raises:
        RequestError: The body is too large.
    """
    async with AsyncExitStack() as held:
        await held.enter_async_context(places.requests)
        encoding = request.headers.get("content-encoding")
        is_large = encoding == "gzip"  # as far as one can tell
        if is_large:
            await held.enter_async_context(places.large)
        body, size = bytearray(), 0
        async for chunk in request.stream():
            if not is_large and size + len(chunk) > SMALL_BODY_BYTES:
                is_large = True
                await held.enter_async_context(places.large)
            size += len(chunk)
            if size <= LARGEST_BODY_BYTES:
                body += chunk
            elif size > MOST_DISCARDED_BYTES:
                break
        if size > LARGEST_BODY_BYTES:
            raise too_large()
        yield bytes(body), encoding


def require_room(store: Store, body: bytes, encoding: str | None) -> None:
    """Raise an OSError that the disk is full if there is no room for what a body brings."""
    size = LARGEST_BODY_BYTES if encoding == "gzip" else len(body)
    require_reserve(store.folder, TIMES_WRITTEN * size)


def parse_json(body: bytes, encoding: str | None) -> object:
    """Parse a JSON body, unzipped if necessary.

    Raises:
        RequestError: The body is not valid JSON, or too large once it is unzipped.
    """
    if encoding == "gzip":
        body = unzip(body)
    try:
        text = body.decode() or "{}"
        value = json.loads(text)
        return whole_characters(value) if HALF_CHARACTER.search(text) else value
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body of the request isn't valid JSON: {error}.") from error


def whole_characters(value: object) -> object:
    """Return a JSON value with question marks for lone surrogates, which can't be stored."""
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
        content = unzipper.decompress(body, LARGEST_BODY_BYTES)
    except zlib.error as error:
        raise RequestError(f"The body of the request isn't valid gzip data: {error}.") from error
    if unzipper.unconsumed_tail:
        raise too_large()
    return content


def too_large() -> RequestError:
    """Return the error for a body above the cap."""
    limit = f"{LARGEST_BODY_BYTES // 2**20} MiB"
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
    """Return an error response."""
    return Response(graphql.refusal(message), status, media_type="application/json")


def on_request_error(request: Request, error: RequestError) -> Response:
    """Answer a request that would fail again if it were repeated."""
    if pages.is_page(request):
        return pages.problem(request, str(error), error.status)
    reply = refuse(str(error), error.status)
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        reply.headers["Connection"] = "close"  # or the rest would be read, however long it is
    return reply


def on_failure(request: Request, error: Exception) -> Response:
    """Answer after an internal error, which the framework logs; a retry wouldn't help."""
    return refuse(
        "The request failed inside the local W&B server; see its log for details.",
        HTTPStatus.BAD_REQUEST,
    )


def on_disconnect(request: Request, error: ClientDisconnect) -> Response:
    """Stop working for a client that disconnected, or seems to have, during its request."""
    return Response(status_code=HTTPStatus.BAD_REQUEST, headers={"Connection": "close"})


def on_outage(request: Request, error: sqlite3.Error | OSError) -> Response:
    """Answer while the disk is full or failing: the client retries until the request succeeds."""
    full = (
        error.errno in (errno.ENOSPC, errno.EDQUOT)
        if isinstance(error, OSError)
        else getattr(error, "sqlite_errorcode", 0) & 0xFF == SQLITE_FULL
    )
    state = services_of(request.app)
    folder = state.store.folder
    if full:
        message = f"The disk of the store folder {folder} is full"
    else:
        message = f"The store folder {folder} cannot be written or read ({error})"
    if state.outage != message:
        log.error("%s; clients wait, and retry until what they send can be stored.", message)
        state.outage = message
    return refuse(
        f"{message}.",
        HTTPStatus.INSUFFICIENT_STORAGE if full else HTTPStatus.SERVICE_UNAVAILABLE,
    )


EXCEPTION_HANDLERS: dict[Any, Callable[..., Response]] = {
    RequestError: on_request_error,
    sqlite3.Error: on_outage,
    OSError: on_outage,
    ClientDisconnect: on_disconnect,
    Exception: on_failure,
    HTTPStatus.NOT_FOUND: pages.not_found,
}


def make_app(
    store: Store,
    authenticator: Authenticator,
    has_leaderboard: bool = True,
    quota: int = DEFAULT_QUOTA_GIB * 2**30,
    figures: str | None = None,
) -> Starlette:
    """Return the application.

    Args:
        store: What it serves.
        authenticator: Who may ask.
        has_leaderboard: Whether everybody sees who of a class has the best run.
        quota: How many bytes the runs, files and artifacts of each person of a class may have.
        figures: The name of what draws the figures of sweeps, see `Figures`; None for no figures.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        state = services_of(app)
        reaping = asyncio.create_task(reap_forever(store, state.lifecycle))
        yield
        reaping.cancel()
        if state.figures:
            state.figures.close()
        state.compute.close()

    app = Starlette(routes=ROUTES, lifespan=lifespan, exception_handlers=EXCEPTION_HANDLERS)
    state = services_of(app)
    state.store = store
    state.authenticator = authenticator
    state.activity = Activity(store)
    state.standings = Standings(store)
    state.has_leaderboard = has_leaderboard and bool(authenticator.people)
    state.lifecycle = Lifecycle(store)
    state.dispatcher = Dispatcher(store, state.lifecycle)
    state.files = Files(store)
    state.blobs = Blobs(store)
    state.quota = Quota(store, [user.entity for user in authenticator.people], quota)
    state.queues = Queues()
    state.compute = Compute()
    state.figures = Figures(state.compute, figures) if figures else None
    state.outage = None
    state.instance = secrets.token_hex(8)
    # What one module alone asks for.
    app.state.listings = Listings(store)
    app.state.sign_in_rate_limit = SignInRateLimit()
    return app


async def reap_forever(store: Store, lifecycle: Lifecycle) -> None:
    """End silent runs periodically."""

    def reap() -> bool:
        with store.writing():
            return lifecycle.reap_silent_runs()

    while True:
        await asyncio.sleep(REAPING_INTERVAL_S)
        try:
            while await run_in_threadpool(until_ready, reap):
                pass  # others write in between
        except sqlite3.Error:
            pass  # the disk is full, which whoever asks for something is told
        except Exception:
            log.exception("Ending silent runs failed.")
