"""One kind of error for everything that a user can put right."""

import os
import sys
from collections.abc import Callable


class WorkshopError(Exception):
    """A problem that a user can solve.

    Its message is one sentence that names the thing, the place, the offending value, what was
    expected, and the next step.  Commands print it and exit with status 2; notebooks show it
    in place of a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """Tell IPython to show the sentence alone."""
        return [f"{type(self).__name__}: {self}"]


def exit_status(command: Callable[[], int | None]) -> int:
    """Run `command`; return its exit status, or 2 after printing a `WorkshopError` to stderr."""
    try:
        status = command() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader, `head` for one, has seen enough.  Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except WorkshopError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
