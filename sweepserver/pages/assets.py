"""The files that pages need: style, scripts, and plotly's script from the installed package."""

import gzip
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sweepserver.pages.compression import gzipped


def _plotly() -> str | None:
    """Return the address of plotly's script, None where plotly is not installed.

    The version is in it, so that browsers may keep the script forever.
    """
    try:
        return f"static/plotly-{version('plotly')}.js"
    except PackageNotFoundError:
        return None


PLOTLY = _plotly()


class OwnFiles(StaticFiles):
    """Static files that browsers revalidate each time, so that they never run an old kit's."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Return a file, or 304 if the browser has it already."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


@cache
def zipped_plotly() -> bytes:
    """Return plotly's script, 1.4 MB instead of 4.8: a whole class fetches it at once.

    The package itself is not imported, which takes more memory than this server.
    """
    script = distribution("plotly").locate_file("plotly/package_data/plotly.min.js")
    return gzip.compress(Path(str(script)).read_bytes(), 6)


def plotly_script(request: Request) -> Response:
    """Serve plotly's script."""
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return gzipped(request, zipped_plotly(), headers, "text/javascript")


ROUTES = [
    *([Route(f"/{PLOTLY}", plotly_script)] if PLOTLY else []),
    Mount("/static", OwnFiles(directory=Path(__file__).parent / "static")),
]
