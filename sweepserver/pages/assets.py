"""The files that pages need: style, scripts, and plotly's script from the installed package."""

import gzip
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sweepserver.pages.compression import gzipped


def _plotly() -> str | None:
    """Return the address of plotly's script, None where plotly is not installed.

    The version is in it, so that browsers may keep the script for ever.
    """
    try:
        return f"static/plotly-{version('plotly')}.js"
    except PackageNotFoundError:
        return None


PLOTLY = _plotly()


class OwnFiles(StaticFiles):
    """Files that browsers ask for again each time, so that they never run those of an old kit."""

    def file_response(self, *arguments, **options) -> Response:
        """Return a file, or that the browser has it already."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


@cache
def zipped_plotly() -> bytes:
    """Return plotly's script, 1.4 MB instead of 4.8: a whole class fetches it at once.

    The package itself is not imported, which takes more memory than this server.
    """
    folder = Path(find_spec("plotly").origin).parent
    return gzip.compress((folder / "package_data" / "plotly.min.js").read_bytes(), 6)


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
