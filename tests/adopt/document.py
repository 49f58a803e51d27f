"""The programs in docs/your_own_program.md, which tests run as they stand there."""

import re
import textwrap
from itertools import groupby

from workshop.paths import ROOT


def blocks(section: str) -> list[str]:
    """Return the indented blocks of a section: programs and other files."""
    document = (ROOT / "docs" / "your_own_program.md").read_text()
    (text,) = re.findall(rf"^#+ {section}\n(.*?)(?=^#+ )", document, re.MULTILINE | re.DOTALL)
    lines = groupby(text.splitlines(), lambda line: not line or line.startswith("    "))
    found = [textwrap.dedent("\n".join(part)).strip() for is_code, part in lines if is_code]
    return [f"{block}\n" for block in found if block]


def resumable_program() -> str:
    """Return the program that is interrupted and resumes."""
    (program,) = blocks("Resume an interrupted run")
    return program
