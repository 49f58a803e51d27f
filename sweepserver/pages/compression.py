"""Compressed responses, cached because they are large and many clients ask for the same."""

import gzip
import re

from starlette.requests import Request
from starlette.responses import Response

REFUSED = re.compile(r"q=0(\.0{0,3})?")


def gzipped(request: Request, content: bytes, headers: dict[str, str], media_type: str) -> Response:
    """Return gzipped content, unpacked for a client that does not take gzip.

    Args:
        request: The request.
        content: What to send, gzipped.
        headers: Other headers.
        media_type: What it is once it is unpacked.
    """
    headers = headers | {"Vary": "Accept-Encoding"}
    if accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
    else:
        content = gzip.decompress(content)
    return Response(content, headers=headers, media_type=media_type)


def accepts_gzip(accepted: str) -> bool:
    """Return whether a header `Accept-Encoding` allows gzip.

    https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding
    """
    weights = {}
    for part in accepted.lower().split(","):
        coding, _, given = part.partition(";")
        weights[coding.strip()] = given.strip()
    weight = weights.get("gzip", weights.get("*"))
    return weight is not None and not REFUSED.fullmatch(weight)
