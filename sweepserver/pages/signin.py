"""Signing in and out: a key typed once per browser, a cookie from then on.

The form is sent to `sign-in` beside the first page, and the cookie has no path of its own.  A
browser then sends it to this server's pages and no others, also where a proxy like JupyterHub's
puts a prefix before them and other people's pages are on the same host.

Other sites cannot use the cookie (`SameSite=Lax`), and nothing can be changed with it: pages only
read.  All that a foreign form could do is to sign somebody in or out, and browsers that tell
where a form comes from (`Sec-Fetch-Site`) keep it from that, too.
"""

import asyncio
import time
from collections import deque
from http import HTTPStatus
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sweepserver.errors import ForbiddenError, RequestError
from sweepserver.pages.rendering import ask_for_key
from sweepserver.people.auth import SIGNED_IN_S
from sweepserver.services import services_of

LARGEST_FORM_BYTES = 10_000
LONGEST_FORM_S = 20  # seconds from its beginning to its end
MOST_MISTAKES = 10  # from one address, in
RATE_LIMIT_WINDOW_S = 60
MOST_ADDRESSES = 1000


class SignInRateLimit:
    """Counts wrong keys by the address that they come from.

    A key has 160 random bits, so that this only spares the server from being asked for nothing.
    Behind a proxy all are at one address, and wait for each other's mistakes.
    """

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def are_too_many(self, address: str) -> bool:
        """Return whether an address has sent so many wrong keys that it must wait."""
        times = self._times.get(address)
        if times is None or len(times) < MOST_MISTAKES:
            return False
        return time.monotonic() - times[0] < RATE_LIMIT_WINDOW_S

    def add(self, address: str) -> None:
        """Count one more wrong key; drop the oldest addresses if there are too many."""
        self._times.setdefault(address, deque(maxlen=MOST_MISTAKES)).append(time.monotonic())
        if len(self._times) > MOST_ADDRESSES:
            del self._times[next(iter(self._times))]


def form(request: Request) -> Response:
    """Show the page that asks for a key."""
    return ask_for_key(request, "", status=HTTPStatus.OK)


async def sign_in(request: Request) -> Response:
    """Sign in with the key that was entered, and redirect to the page that asked for it."""
    refuse_foreign(request)
    state = services_of(request.app)
    forms = state.queues.forms
    if forms.locked():
        raise RequestError(
            "Too many keys are being sent at once; try again in a minute.",
            HTTPStatus.TOO_MANY_REQUESTS,
        )
    async with forms:
        fields = await form_fields(request)
    key, wanted = fields.get("key", ""), fields.get("wanted", "")
    rate_limit: SignInRateLimit = request.app.state.sign_in_rate_limit
    address = request.client.host if request.client else ""
    if rate_limit.are_too_many(address):
        return await run_in_threadpool(
            ask_for_key,
            request,
            wanted,
            f"Too many wrong keys ({MOST_MISTAKES}): try again in a minute.",
            HTTPStatus.TOO_MANY_REQUESTS,
        )
    # A line of the key file, or all of it, may be pasted.
    user = next(filter(None, map(state.authenticator.user_with_key, key.split())), None)
    if user is None:
        rate_limit.add(address)
        return await run_in_threadpool(
            ask_for_key, request, wanted, "That isn't a key of this server."
        )
    await run_in_threadpool(state.activity.touch, user)
    # Behind the dot nothing leads to another host.
    response = RedirectResponse(f"./{quote(wanted, safe='/?&=%')}", HTTPStatus.SEE_OTHER)
    response.set_cookie(
        state.authenticator.cookie_name,
        state.authenticator.cookie_for(user),
        max_age=SIGNED_IN_S,
        path=None,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return response


def sign_out(request: Request) -> Response:
    """Sign the browser out."""
    refuse_foreign(request)
    response = RedirectResponse("./", HTTPStatus.SEE_OTHER)
    response.set_cookie(
        services_of(request.app).authenticator.cookie_name,
        "",
        max_age=0,
        path=None,
        httponly=True,
        samesite="lax",
    )
    return response


def refuse_foreign(request: Request) -> None:
    """Raise a ForbiddenError if a form is on another site, as far as the browser tells."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError("This form is on a page of another site; sign in on this server's.")


async def form_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form; what is too long for one is not read.

    Raises:
        ClientDisconnect: It takes too long to come: nobody needs a key to send one.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(LONGEST_FORM_S):
            async for chunk in request.stream():
                body += chunk[: LARGEST_FORM_BYTES - len(body)]
                if len(body) == LARGEST_FORM_BYTES:
                    break
    except TimeoutError as error:
        raise ClientDisconnect from error
    fields = parse_qs(body.decode(errors="replace"))
    return {name: values[0] for name, values in fields.items()}


ROUTES = [
    Route("/sign-in", form, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
