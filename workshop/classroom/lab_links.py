"""An extension of the Jupyter server that `workshop lab` starts: links lead through that server.

A reader's browser may be on another machine, behind an SSH tunnel to JupyterLab alone.  Pages of
the local W&B server then come through it as well, by jupyter-server-proxy.
"""

import os
from typing import TYPE_CHECKING

from workshop.connection.browser_links import in_browser, is_this_machine

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

HERE = "http://127.0.0.1"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: "ServerApp") -> None:
    """Do nothing yet: the server has no port, and takes another one if its own is in use."""


async def _start_jupyter_server_extension(server: "ServerApp") -> None:
    """Tell kernels and terminals where the reader's browser finds this server, and W&B's pages."""
    if in_browser(HERE) != HERE:
        return  # whatever started us behind a proxy knows better
    url = server.connection_url
    if is_this_machine(url):
        os.environ["WORKSHOP_PROXY_PREFIX"] = url
        # In a terminal nobody calls `connection.connect`, which does the same.
        pages = in_browser(os.environ["WANDB_BASE_URL"])
        os.environ.setdefault("WANDB_APP_URL", pages.rstrip("/"))
    else:
        # Each machine may know the server by another name: a path is right for all.
        os.environ["WORKSHOP_PROXY_PREFIX"] = server.base_url
