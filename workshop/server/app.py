"""The server itself: routes, start, stop."""

import asyncio
import errno
import json
import logging
import os
import socket
import sqlite3
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workshop.server import filestream, graphql, pages
from workshop.server.auth import Gate, read_or_make_key
from workshop.server.compute import Compute
from workshop.server.controller import Controller
from workshop.server.errors import RequestError, StartError
from workshop.server.files import Files, download, upload
from workshop.server.pages.figures import Figures
from workshop.server.resolvers.context import Context
from workshop.server.store import Store

log = logging.getLogger(__name__)

# The client's posts stay below 10 MiB; `wandb verify` sends a document of 10 MB.
LARGEST_BODY = 16 * 2**20
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
        compute=state.compute,
    )
    body, encoding = await read_body(request), request.headers.get("content-encoding")

    def answer() -> bytes:
        return graphql.reply(graphql.execute(context, parse_json(body, encoding)))

    return Response(await run_in_threadpool(answer), media_type="application/json")


async def file_stream_endpoint(request: Request) -> Response:
    """Serve the posts of a run."""
    state, path = request.app.state, request.path_params
    if state.gate.api_user(request) is None:
        return wrong_key()
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
    Route("/uploads/{run_id:int}/{token}/{name:path}", upload, methods=["PUT"]),
    Route("/health", health, methods=["GET"]),
    *pages.ROUTES,
]


async def read_body(request: Request) -> bytes:
    """Return the body of a request; raise a RequestError if it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
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
        return json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body of the request is no JSON: {error}.") from error


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
        "netrc file, or take the key from the file `key` in the server's store folder.",
        HTTPStatus.UNAUTHORIZED,
    )


def refuse(message: str, status: HTTPStatus) -> Response:
    """Return a reply that tells an error."""
    return Response(graphql.refusal(message), status, media_type="application/json")


def on_request_error(request: Request, error: RequestError) -> Response:
    """Answer a request that will fail again however often it is repeated."""
    if pages.is_page(request):
        return pages.problem(request, str(error), error.status)
    return refuse(str(error), error.status)


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


def make_app(store: Store, gate: Gate) -> Starlette:
    """Return the application.

    Args:
        store: What it serves.
        gate: Who may ask.
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
    app.state.controller = Controller(store)
    app.state.files = Files(store)
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


def serve(folder: Path, host: str, port: int) -> None:
    """Serve a store until a KeyboardInterrupt.

    Args:
        folder: The store's folder; made if missing.
        host: The address to listen at.
        port: The port; 0 takes a free one.

    Raises:
        StartError: The store or the port cannot be used.
    """
    folder = folder.expanduser().resolve()
    note = folder / "server.json"
    store = Store(folder)
    try:
        listener = listen(host, port)
        address = f"[{host}]" if ":" in host else host
        url = f"http://{address}:{listener.getsockname()[1]}"
        app = make_app(store, Gate(store, read_or_make_key(folder)))
        write_note(note, url)
        print(f"Serving W&B for the workshop at {url} (store {folder})", flush=True)
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            proxy_headers=False,  # they would let another user pretend to be this one
            timeout_graceful_shutdown=1,
        )
        uvicorn.Server(config).run(sockets=[listener])
    except (OSError, sqlite3.Error) as error:
        raise StartError(
            f"The store folder {folder} cannot be used ({error}); make room there or choose "
            "another one: --store FOLDER."
        ) from error
    finally:
        note.unlink(missing_ok=True)
        store.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise a StartError if that cannot be."""
    if not 0 <= port <= 65535:
        raise StartError(f"--port is {port}, but must be between 0 and 65535.")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise StartError(
            f"Port {port} of {host} cannot be used ({error.strerror}); choose another one with "
            "--port, or --port 0 for a free one."
        ) from error
    return listener


def write_note(path: Path, url: str) -> None:
    """Leave word where the server is, so that other processes of this user find it."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    draft.replace(path)
