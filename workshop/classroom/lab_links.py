"""A Jupyter server extension for `workshop lab`, which routes links through that server.

A reader's browser may be on another machine, with an SSH tunnel to JupyterLab only.  Pages of the
local W&B server then go through the same tunnel, with jupyter-server-proxy.
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
    """Do nothing yet, because the server doesn't have its final port."""


async def _start_jupyter_server_extension(server: "ServerApp") -> None:
    """Set the addresses of this server and of W&B's pages for kernels and terminals."""
    if in_browser(HERE) != HERE:
        return  # whatever started us behind a proxy has set them
    url = server.connection_url
    if is_this_machine(url):
        os.environ["WORKSHOP_PROXY_PREFIX"] = url
        # In a terminal, nothing calls `connection.connect`, which does the same.
        pages = in_browser(os.environ["WANDB_BASE_URL"])
        os.environ.setdefault("WANDB_APP_URL", pages.rstrip("/"))
    else:
        # The server may have another name for each machine; a path works for all.
        os.environ["WORKSHOP_PROXY_PREFIX"] = server.base_url
