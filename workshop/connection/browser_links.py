"""What the address of a server means: to this machine, and in the reader's browser.

A server on loopback is on the machine of the notebook, and the reader's browser often is not.
Under JupyterHub or Open OnDemand, Jupyter's proxy (jupyter-server-proxy) passes pages on: under
`proxy/PORT/`, behind the address of the reader's own Jupyter server.

That address is the first of these variables that is set:

- `WORKSHOP_PROXY_PREFIX`: for whatever starts Jupyter behind a proxy of its own.
- `JUPYTERHUB_PUBLIC_URL`: where a hub knows its own public address.
- `JUPYTERHUB_SERVICE_PREFIX`: every hub sets it; a path, without the hub's address.

A proxy that puts another name for its own into the requests that it passes on, as Open OnDemand's
puts the node's, has that name in `WORKSHOP_PROXY_HOST`.
"""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

_VARIABLES = ("WORKSHOP_PROXY_PREFIX", "JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_SERVICE_PREFIX")


def is_this_machine(url: str) -> bool:
    """Tell whether a URL means the machine on which it is read, whichever that is."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def in_browser(url: str) -> str:
    """Return the address at which the reader's browser finds the page that is at `url` here.

    It is `url` itself for a server elsewhere, one with TLS (which Jupyter's proxy does not speak),
    and where Jupyter is behind no proxy.  It is a path where the proxy's own address is not known;
    a browser that shows the notebook takes it as one of the same host.
    """
    parts = urlsplit(url)
    prefix = _prefix()
    is_ours = parts.scheme == "http" and is_this_machine(url)
    if not (prefix and is_ours) or is_proxied(url):
        return url
    page = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return f"{prefix}proxy/{parts.port or 80}/{page.removeprefix('/')}"


def proxy_host() -> str | None:
    """Return the name in requests through Jupyter's proxy; None if there is none, or unknown."""
    return os.environ.get("WORKSHOP_PROXY_HOST") or urlsplit(_prefix()).hostname


def is_proxied(url: str) -> bool:
    """Tell whether an address is one that `in_browser` made."""
    return bool(_prefix()) and url.startswith(f"{_prefix()}proxy/")


def _prefix() -> str:
    """Return the address or path of the Jupyter server, with a slash at its end, or nothing."""
    found = next((value for name in _VARIABLES if (value := os.environ.get(name))), "")
    return found and f"{found.rstrip('/')}/"
