"""Errors: what the server can't do, or can't do yet."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

Result = TypeVar("Result")


class StartError(Exception):
    """The server cannot start; the message is one sentence that says why and what to do."""


class RequestError(Exception):
    """A request that would fail again if it were repeated.

    The client shows the message to its user.  The status is never 5xx: the client answers those
    by repeating the request for many minutes.

    Attributes:
        status: The HTTP status of the reply.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST):
        super().__init__(message)
        self.status = status


class NotFoundError(RequestError):
    """Something that the request names does not exist; HTTP 404."""

    def __init__(self, message: str):
        super().__init__(message, HTTPStatus.NOT_FOUND)


class ForbiddenError(RequestError):
    """The user may not do this; HTTP 403."""

    def __init__(self, message: str):
        super().__init__(message, HTTPStatus.FORBIDDEN)


class Unready(Exception):  # noqa: N818
    """Something must be computed outside the transaction first; then repeat the transaction.

    Attributes:
        work: A function and its arguments.
    """

    def __init__(self, work: tuple):
        super().__init__(f"{work[0].__name__} has not been called yet.")
        self.work = work

    def call(self) -> object:
        """Compute it."""
        function, *arguments = self.work
        return function(*arguments)


def until_ready(attempt: Callable[[], Result]) -> Result:
    """Return the result of an attempt, repeating it after what must be computed first."""
    while True:
        try:
            return attempt()
        except Unready as missing:
            missing.call()
