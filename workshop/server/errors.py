"""What the server says when it cannot do what it was asked."""

from http import HTTPStatus


class StartError(Exception):
    """The server cannot start; the message is one sentence that says why and what to do."""


class RequestError(Exception):
    """A request that will fail again however often it is repeated.

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
