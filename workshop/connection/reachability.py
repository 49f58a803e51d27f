"""Say quickly and in one sentence what is wrong between a run and its W&B server."""

import http.client
import time
import urllib.error
import urllib.request

from workshop.connection.browser_links import is_this_machine
from workshop.connection.credentials import is_account
from workshop.errors import WorkshopError

PATIENCE = 5.0  # seconds; a server that is being restarted is back within them


def check_reachable(url: str) -> None:
    """Return as soon as the server at `url` answers anything at all.

    `wandb.init` itself would wait for 90 seconds.  The request goes through the proxies of the
    environment, as the client's own requests do.

    Raises:
        WorkshopError: Nobody answers for five seconds.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE).close()  # noqa: S310 - the user's server
        except urllib.error.HTTPError:
            return  # it answers, if only to say no
        except (OSError, http.client.HTTPException, ValueError) as error:
            problem = getattr(error, "reason", error)
        else:
            return
        if time.monotonic() + 0.5 > deadline:
            raise WorkshopError(
                f"the W&B server at {url} cannot be reached ({problem}): {_next_step(url)}"
            )
        time.sleep(0.5)


def _next_step(url: str) -> str:
    if is_this_machine(url):
        return "start it with `workshop server`, or correct WANDB_BASE_URL"
    if is_account(url):
        return "this machine needs the internet, or a proxy to it; the backend 'local' needs none"
    return "ask whoever runs it whether it is up, or correct WANDB_BASE_URL"
