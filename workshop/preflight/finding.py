"""A finding of the preflight checks."""

from dataclasses import dataclass
from typing import Literal

REINSTALL = "choose the kernel of this kit's environment, or run `make install` in its folder"
"""The next step if a package is missing or has the wrong version."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked.
        found: what was found.
        verdict: `ok`, `note` (it works, but there is something to know) or `problem` (a later
            notebook would fail).
        next_step: what to do; empty if there is nothing to do.
    """

    check: str
    found: str
    verdict: Literal["ok", "note", "problem"] = "ok"
    next_step: str = ""
