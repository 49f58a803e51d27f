"""Findings as a table, as text, and as JSON."""

import getpass
import json
import platform
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workshop.preflight.finding import Finding
from workshop.wording import count

if TYPE_CHECKING:
    import pandas as pd


def as_table(findings: Sequence[Finding]) -> "pd.DataFrame":
    """Return findings as a frame: `check`, `found`, `verdict` and `next step`."""
    import pandas as pd

    frame = pd.DataFrame([vars(finding) for finding in findings])
    return frame.rename(columns={"next_step": "next step"})


def as_text(findings: Sequence[Finding]) -> str:
    """Return findings as text, a line each, with the next step below it if there is one."""
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
    lines.append(count(problems, "problem"))
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Return findings as one line of JSON, with the machine and the user."""
    return json.dumps(
        {
            "host": platform.node(),
            "user": getpass.getuser(),
            "problems": [f.check for f in findings if f.verdict == "problem"],
            "findings": [vars(finding) for finding in findings],
        }
    )
