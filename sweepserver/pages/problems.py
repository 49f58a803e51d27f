"""Error pages."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from sweepserver.pages.rendering import render


def is_page(request: Request) -> bool:
    """Return whether the request is for a page."""
    return "text/html" in request.headers.get("accept", "")


def problem(request: Request, message: str, status: HTTPStatus) -> Response:
    """Return an error page."""
    return render(request, "problem.html", {"message": message}, status)


def not_found(request: Request, error: Exception) -> Response:
    """Answer a request for an unknown address."""
    if is_page(request):
        return problem(request, "There is nothing at this address.", HTTPStatus.NOT_FOUND)
    return Response("Not found", HTTPStatus.NOT_FOUND, media_type="text/plain")
