"""Say quickly and in one sentence what is wrong between a run and its W&B server."""

import http.client
import os
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import wandb

from workshop import mode
from workshop.credentials import is_account
from workshop.errors import WorkshopError
from workshop.links import is_this_machine
from workshop.preemption import Preempted

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


@contextmanager
def starting() -> Iterator[None]:
    """Turn what keeps a run from starting into a `WorkshopError`."""
    settings = wandb.setup().settings
    url = settings.base_url
    if settings.mode in mode.SENT:
        check_reachable(url)
    try:
        yield
    except wandb.Error as error:
        # A refused key arrives as the server's whole reply.
        wrong_key = "error 401" in str(error)
        problem = "it does not know the API key" if wrong_key else str(error).splitlines()[0]
        raise WorkshopError(
            f"the W&B server at {url} did not accept the run ({problem}): correct WANDB_API_KEY "
            f"or the netrc file, or log in with `wandb login --relogin --host={url}`"
        ) from error


@contextmanager
def finishing(run: wandb.Run) -> Iterator[None]:
    """Finish the run, with what went wrong as the last line of its log.

    Leaving `with wandb.init()` would do the same, but print a traceback.  A preempted run is
    handed back to its sweep, which gives it to the next agent.
    """
    try:
        yield
    except Preempted as warning:
        run.write_logs(str(warning))
        run.mark_preempting()
        run.finish(exit_code=os.EX_TEMPFAIL)
        raise
    except BaseException as error:
        known = isinstance(error, WorkshopError)
        run.write_logs(f"error: {error}" if known else traceback.format_exc())
        run.finish(exit_code=1)
        raise
    run.finish()
