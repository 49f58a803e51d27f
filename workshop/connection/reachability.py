"""Check that the W&B server is reachable, with a short timeout and a one-line error."""

import http.client
import time
import urllib.error
import urllib.request

from workshop.connection.browser_links import is_this_machine
from workshop.connection.credentials import is_account
from workshop.errors import WorkshopError

ANSWER_LIMIT_S = 5.0  # long enough for a server that is being restarted


def check_reachable(url: str) -> None:
    """Poll the server at `url` until it sends any answer.

    `wandb.init` itself would wait for 90 seconds.  The request goes through the environment's
    proxies, as the client's own requests do.

    Raises:
        WorkshopError: There is no answer within five seconds.
    """
    deadline = time.monotonic() + ANSWER_LIMIT_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=ANSWER_LIMIT_S).close()  # noqa: S310 - the user's server
        except urllib.error.HTTPError:
            return  # an error is an answer too
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
        return "connect this machine to the internet, or use the backend 'local'"
    return "ask whoever runs it whether it is up, or correct WANDB_BASE_URL"
