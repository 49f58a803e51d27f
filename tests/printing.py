"""Print pages of HTML as a browser does."""

import re
import subprocess
from pathlib import Path

from tests.fixtures.run import HEADLESS_BROWSER
from tests.waiting import patience


def pages_of(page: Path) -> int:
    """Print a page of HTML into a PDF beside it; return how many sheets it takes."""
    printed = page.with_suffix(".pdf")
    command = [HEADLESS_BROWSER, "--no-sandbox", "--disable-gpu"]
    command += ["--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri()]
    subprocess.run(command, capture_output=True, timeout=patience(180), check=True)
    return len(re.findall(rb"/Type /Page\b", printed.read_bytes()))
