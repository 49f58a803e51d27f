"""One line of the preflight."""

from dataclasses import dataclass
from typing import Literal

REINSTALL = "choose the kernel of this kit's environment, or run `make install` in its folder"
"""The next step where a package is missing or does not fit."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        found: what was there.
        verdict: `ok`, `note` (works, with something to know) or `problem` (a later notebook
            fails).
        next_step: what to do; empty if there is nothing to do.
    """

    check: str
    found: str
    verdict: Literal["ok", "note", "problem"] = "ok"
    next_step: str = ""
