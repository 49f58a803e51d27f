"""Start and finish a W&B run, and turn client errors into one-line messages.

Programs other than the kit's may import `resumable`, in an environment that has only wandb.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import wandb

from workshop.errors import WorkshopError
from workshop.trainer import preemption
from workshop.trainer.preemption import Preempted


@contextmanager
def starting() -> Iterator[None]:
    """Turn errors at the start of a run into a `WorkshopError`."""
    # Not at the top: the environment of another program may lack what they need.
    from workshop.connection import mode
    from workshop.connection.reachability import check_reachable

    settings = wandb.setup().settings
    url = settings.base_url
    if settings.mode in mode.SENT:
        check_reachable(url)
    try:
        yield
    except wandb.Error as error:
        # For a refused key, the error is the server's whole reply.
        wrong_key = "error 401" in str(error)
        problem = "it does not know the API key" if wrong_key else str(error).splitlines()[0]
        raise WorkshopError(
            f"the W&B server at {url} did not accept the run ({problem}): correct WANDB_API_KEY "
            f"or the netrc file, or log in with `wandb login --relogin --host={url}`"
        ) from error


@contextmanager
def finishing(run: wandb.Run) -> Iterator[None]:
    """Finish the run at the end of the block, with any error as the last line of its log.

    `with wandb.init()` would do the same, but print a traceback.  A preempted run is handed back to
    its sweep, which gives it to the next agent.
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


@contextmanager
def resumable(run: wandb.Run) -> Iterator[wandb.Run]:
    """Finish the run at the end of the block, as `finishing` does.

    If it was preempted, the program ends with status `EX_TEMPFAIL` (75): an array task that sees
    it puts itself back into the queue.  A signal that every process of a job gets, such as SIGTERM
    by `scancel`, also ends the client's own process.  Then the run can't be handed back.

    Raises:
        SystemExit: the run was preempted.
    """
    try:
        with finishing(run):
            try:
                yield run
            except SystemExit:  # a framework that listens to the same signal, as Lightning does
                preemption.check()
                raise
    except Preempted as warning:
        print(warning, file=sys.stderr, flush=True)
        raise SystemExit(os.EX_TEMPFAIL) from None
    except Exception as error:
        if not (preemption.warning() and _is_of_lost_client(error)):
            raise
        print(
            f"{preemption.warning()}; the W&B client was ended as well, so the run is not handed "
            "back yet: `workshop repair SWEEP` does that",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        raise SystemExit(os.EX_TEMPFAIL) from None


def _is_of_lost_client(error: Exception) -> bool:
    """Return whether an error may be that of a client whose own process has ended."""
    return isinstance(error, ConnectionError) or type(error).__module__.startswith("wandb.")
