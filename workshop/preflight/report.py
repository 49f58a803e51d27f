"""Findings for a notebook, a terminal, and an instructor who collects them."""

import getpass
import json
import platform
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workshop.preflight.finding import Finding

if TYPE_CHECKING:
    import pandas as pd


def as_table(findings: Sequence[Finding]) -> "pd.DataFrame":
    """Return findings as a frame: `check`, `found`, `verdict` and `next step`."""
    import pandas as pd

    frame = pd.DataFrame([vars(finding) for finding in findings])
    return frame.rename(columns={"next_step": "next step"})


def as_text(findings: Sequence[Finding]) -> str:
    """Return a line per finding, and the next step below it if there is one."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:<8} {finding.check:<{width}}  {finding.found}")
        if finding.next_step:
            lines += textwrap.wrap(
                finding.next_step,
                100,
                initial_indent=" " * 9 + "→ ",
                subsequent_indent=" " * 11,
                break_long_words=False,
                break_on_hyphens=False,
            )
    problems = sum(finding.verdict == "problem" for finding in findings)
    lines.append(f"{problems} problem{'' if problems == 1 else 's'}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Return findings with the machine and the user that they belong to, on one line."""
    return json.dumps(
        {
            "host": platform.node(),
            "user": getpass.getuser(),
            "problems": [f.check for f in findings if f.verdict == "problem"],
            "findings": [vars(finding) for finding in findings],
        }
    )
