"""Render pages: from a function that gathers values to HTML.

A page's ETag is a hash of its HTML: a browser that asks again gets 304 while nothing has changed.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sweepserver.pages.assets import PLOTLY
from sweepserver.pages.formats import FILTERS
from sweepserver.pages.tables import address
from sweepserver.services import Services, services_of
from sweepserver.store.database import Store
from sweepserver.store.records import User

# Scripts are files of this server, and nothing is evaluated.  Styles may be inline because plotly
# sets them as attributes and brings the sheet of its maps along; a page itself has none.
# Pages may be framed by pages of the same origin, as behind JupyterHub, and by JupyterLab on this
# machine, where the client shows them below a cell.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data: blob:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self' http://localhost:* http://127.0.0.1:* https://localhost:* "
    "https://127.0.0.1:*"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

Endpoint = Callable[[Request], Awaitable[Response]]

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters.update(FILTERS)
templates.filters["address"] = lambda parts: address(*parts)
templates.globals["plotly"] = PLOTLY


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a page.

    Attributes:
        state: The application's state.
        user: Who looks.
        query: What stands behind the question mark of the address.
    """

    state: Services
    user: User
    query: Mapping[str, str]

    @property
    def store(self) -> Store:
        """Where everything is; to be read inside `store.reading()`."""
        return self.state.store


def page(template: str) -> Callable[[Callable[..., dict]], Endpoint]:
    """Turn a function that returns a template's values into a page.

    The function takes a `Visit` and the parts of the path by their names.  Who may not look is
    asked for the key instead.

    Args:
        template: A file of the folder `templates` that extends `base.html`.
    """

    def decorate(function: Callable[..., dict]) -> Endpoint:
        def answer(request: Request, visit: Visit) -> Response:
            values = function(visit, **request.path_params)
            return render(request, template, {**surroundings(request, visit), **values})

        @wraps(function)
        async def endpoint(request: Request) -> Response:
            visit = await run_in_threadpool(visit_of, request)
            if visit is None:
                return await run_in_threadpool(ask_for_key, request, address_within(request))
            return await in_turn(answer, request, visit)

        return endpoint

    return decorate


async def in_turn(
    answer: Callable[[Request, Visit], Response], request: Request, visit: Visit
) -> Response:
    """Return an answer once few enough others are made for the same user."""
    async with visit.state.queues.of(visit.user.name).reads:
        return await run_in_threadpool(answer, request, visit)


def visit_of(request: Request) -> Visit | None:
    """Return who asks for which page, None if they may not see it."""
    state = services_of(request.app)
    user = state.authenticator.page_user(request)
    return user and Visit(state, user, request.query_params)


def surroundings(request: Request, visit: Visit) -> dict:
    """Return what every page shows around its content: the user, and the links for them."""
    authenticator = visit.state.authenticator
    return {
        "user": visit.user,
        "can_sign_out": authenticator.cookie_user(request) == visit.user,
        "sees_class": bool(authenticator.people and visit.user.is_admin),
        "has_leaderboard": visit.state.has_leaderboard,
    }


def ask_for_key(
    request: Request,
    wanted: str,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.UNAUTHORIZED,
) -> Response:
    """Return the page that asks for a key.

    Args:
        request: The request.
        wanted: Where to go from there, seen from the first page.
        problem: What was wrong with the last answer.
        status: The HTTP status.
    """
    return render(request, "key.html", {"wanted": wanted, "problem": problem}, status)


def address_within(request: Request) -> str:
    """Return the requested address, relative to the first page."""
    path, query = quote(request.scope["path"].removeprefix("/")), request.url.query
    return f"{path}?{query}" if query else path


def render(
    request: Request, template: str, values: dict, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """Return a page.

    `root` leads from the page to the first page, whatever prefix a proxy puts before both.
    """
    depth = request.scope["path"].count("/") - 1
    html = templates.get_template(template).render(root="../" * depth or "./", **values)
    if status != HTTPStatus.OK:
        return HTMLResponse(html, status, HEADERS)
    return tagged(request, HTMLResponse(html, headers=HEADERS))


def tagged(request: Request, response: Response) -> Response:
    """Give a response its ETag; leave its body out if the browser has it already."""
    tag = f'"{hashlib.blake2b(response.body, digest_size=12).hexdigest()}"'
    if request.headers.get("if-none-match") == tag:
        response = Response(status_code=HTTPStatus.NOT_MODIFIED, headers=HEADERS)
    response.headers["ETag"] = tag
    return response
