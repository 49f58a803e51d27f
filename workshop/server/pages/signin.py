"""Signing in: a key typed once per browser, a cookie from then on."""

from http import HTTPStatus
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from workshop.server.pages.rendering import render

LARGEST_FORM = 10_000


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
