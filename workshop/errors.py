"""The error class for every problem that a user can solve, and pydantic's errors as sentences."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workshop.wording import count

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class WorkshopError(Exception):
    """A problem that a user can solve.

    Its message is one sentence: what is wrong and where, what was given, what is expected, and the
    next step.  Commands print it and exit with status 2; notebooks show it instead of a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """Make IPython show only the sentence."""
        return [f"{type(self).__name__}: {self}"]


def exit_status(command: Callable[[], int | None]) -> int:
    """Run `command`; return its exit status, or 2 after printing a `WorkshopError` to stderr."""
    try:
        status = command() or 0
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe.  Python would report that as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except WorkshopError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def expectation(error: "ErrorDetails") -> str:
    """Return one of pydantic's errors as the end of a sentence: what the value is and must be."""
    return f"is {error['input']!r}, but it must be {expected(error)}"


def expected(error: "ErrorDetails") -> str:
    """Return what a value must be, according to one of pydantic's errors."""
    return error["msg"].removeprefix("Input should be ")


def and_more(errors: Sequence[object]) -> str:
    """Return the number of errors after the first, as the end of a sentence about that one."""
    more = len(errors) - 1
    return f" (and {count(more, 'more problem')})" if more else ""
