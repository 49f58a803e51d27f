"""HTML pages of projects, sweeps and runs, at the addresses that the client prints.

They work without scripts and under any URL prefix, because every link is relative; templates
escape whatever users logged.  See `auth` for who may look.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, quote

from jinja2 import Environment, FileSystemLoader
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from workshop.server.pages import content
from workshop.server.pages.formats import FILTERS

HERE = Path(__file__).parent
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
LARGEST_FORM = 10_000

templates = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True
)
templates.filters.update(FILTERS)


def render(
    request: Request, template: str, values: dict, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """Return a page.

    `root` leads from the page to the first page, whatever prefix a proxy puts before both.
    """
    depth = request.scope["path"].count("/") - 1
    html = templates.get_template(template).render(root="../" * depth or "./", **values)
    return HTMLResponse(html, status, HEADERS)


def page(template: str) -> Callable:
    """Make a page of a function that returns the values for a template.

    The function takes the application's state and the parts of the path; who may not look is
    asked for the key instead.
    """

    def decorate(function: Callable[..., dict]) -> Callable[[Request], Response]:
        @wraps(function)
        def endpoint(request: Request) -> Response:
            state = request.app.state
            if state.gate.page_user(request) is None:
                return render(request, "key.html", {"wrong": False}, HTTPStatus.UNAUTHORIZED)
            with state.store.reading():
                values = function(state, **request.path_params)
            return render(request, template, values)

        return endpoint

    return decorate


async def sign_in(request: Request) -> Response:
    """Remember a key that was typed into the page which asked for it, and go back there."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            break
    key = parse_qs(bytes(body[:LARGEST_FORM]).decode(errors="replace")).get("key", [""])[0]
    gate = request.app.state.gate
    user = gate.user_with_key(key.strip())
    if user is None:
        return await run_in_threadpool(
            render, request, "key.html", {"wrong": True}, HTTPStatus.UNAUTHORIZED
        )
    here = quote(request.scope["path"].rsplit("/", 1)[-1])
    response = RedirectResponse(f"./{here}", HTTPStatus.SEE_OTHER)
    response.set_cookie(
        gate.cookie_name, gate.cookie_for(user), max_age=30 * 86400, httponly=True, samesite="lax"
    )
    return response


def is_page(request: Request) -> bool:
    """Tell whether a browser asks."""
    return "text/html" in request.headers.get("accept", "")


def problem(request: Request, message: str, status: HTTPStatus) -> Response:
    """Return a page that tells an error."""
    return render(request, "problem.html", {"message": message}, status)


def not_found(request: Request, error: Exception) -> Response:
    """Answer a request for an address that leads nowhere."""
    if is_page(request):
        return problem(request, "There is nothing at this address.", HTTPStatus.NOT_FOUND)
    return Response("Not found", HTTPStatus.NOT_FOUND, media_type="text/plain")


PAGES = {
    "/": page("projects.html")(content.projects),
    "/authorize": page("authorize.html")(content.authorize),
    "/{entity}/{project}": page("project.html")(content.project),
    "/{entity}/{project}/sweeps/{sweep}": page("sweep.html")(content.sweep),
    "/{entity}/{project}/runs/{run}": page("run.html")(content.run),
}
ROUTES = [
    Mount("/static", StaticFiles(directory=HERE / "static")),
    *(Route(path, endpoint) for path, endpoint in PAGES.items()),
    *(Route(path, sign_in, methods=["POST"]) for path in PAGES),
]
