"""A Jupyter server extension for `workshop lab`: JupyterLab doesn't ask whether to show its news.

Its setting `LabApp.news_url` keeps it from fetching news, but not from asking:
https://jupyterlab.readthedocs.io/en/stable/user/announcements.html
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

ANNOUNCEMENTS = "@jupyterlab/apputils-extension:announcements"
"""JupyterLab's plugin that asks, and that announces news and updates."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: "ServerApp") -> None:
    """Disable the plugin in every page of JupyterLab."""
    server.web_app.settings["page_config_hook"] = _without_announcements


def _without_announcements(_: object, page: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a page, with the plugin among those that are disabled."""
    return page | {"disabledExtensions": [*page.get("disabledExtensions", ()), ANNOUNCEMENTS]}
