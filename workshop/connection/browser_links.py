"""Translate a server's address from this machine to the reader's browser.

A server on loopback is on the notebook's machine, but the reader's browser often isn't.  Under
JupyterHub or Open OnDemand, Jupyter's proxy (jupyter-server-proxy) forwards pages, at `proxy/PORT/`
below the address of the reader's own Jupyter server.

That address is the first of these variables that is set:

- `WORKSHOP_PROXY_PREFIX`: for anything that starts Jupyter behind its own proxy.
- `JUPYTERHUB_PUBLIC_URL`: set if a hub knows its public address.
- `JUPYTERHUB_SERVICE_PREFIX`: set by every hub; a path, without the hub's address.

If a proxy puts another host name into forwarded requests, as Open OnDemand's uses the node's, that
name is in `WORKSHOP_PROXY_HOST`.
"""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from workshop.settings import settings

_HUB_VARIABLES = ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX")


def is_this_machine(url: str) -> bool:
    """Return whether a URL's host is loopback, which is a different machine for each reader."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def in_browser(url: str) -> str:
    """Return the address at which the reader's browser finds a page of this machine.

    It is `url` itself for a server elsewhere, for one with TLS (which Jupyter's proxy doesn't
    support), and without a proxy.  It is a path if the proxy's own address isn't known; the browser
    that shows the notebook resolves it on the same host.
    """
    parts = urlsplit(url)
    prefix = _prefix()
    is_ours = parts.scheme == "http" and is_this_machine(url)
    if not (prefix and is_ours) or is_proxied(url):
        return url
    page = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return f"{prefix}proxy/{parts.port or 80}/{page.removeprefix('/')}"


def proxy_host() -> str | None:
    """Return the host name in requests through Jupyter's proxy; None without one, or if unknown."""
    return settings().proxy_host or urlsplit(_prefix()).hostname


def is_proxied(url: str) -> bool:
    """Return whether an address was made by `in_browser`."""
    prefix = _prefix()
    return bool(prefix) and url.startswith(f"{prefix}proxy/")


def _prefix() -> str:
    """Return the Jupyter server's address or path, with a slash at its end; empty if unknown."""
    of_hub = (os.environ.get(name) for name in _HUB_VARIABLES)
    found = next(filter(None, (settings().proxy_prefix, *of_hub)), "")
    return found and f"{found.rstrip('/')}/"
