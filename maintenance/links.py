"""Ask whether the addresses that the kit names still answer: `python -m maintenance.links`.

Sphinx's linkcheck asks, for the site's pages and for the code beside them; `docs/site/conf.py` says
how.  The tests follow links within the kit; this needs the internet, and runs with `make newest`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BROKEN = {"broken", "timeout"}
KEPT_OUT = "403 "
"""How linkcheck's reason begins where a host keeps programs out; a reader may well get in."""


def broken(root: Path) -> list[str]:
    """Return a line for each address in a clone that does not answer: what, why and where.

    Raises:
        subprocess.CalledProcessError: Sphinx cannot read the clone's documents; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output.json")
        command = [sys.executable, "-m", "sphinx", "--quiet", "--builder", "linkcheck"]
        done = subprocess.run(
            [*command, "-c", root / "docs/site", root, folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if not output.exists():
            print(done.stderr, file=sys.stderr)
            done.check_returncode()
        answers = [json.loads(line) for line in output.read_text().splitlines()]
    return sorted(
        # Sphinx takes code for a document, with a document's suffix.
        f"{answer['uri']}: {answer['info']} ({answer['filename'].removesuffix('.rst')}"
        f":{answer['lineno']})"
        for answer in answers
        if answer["status"] in BROKEN and not answer["info"].startswith(KEPT_OUT)
    )


if __name__ == "__main__":
    problems = broken(ROOT)
    print("\n".join(problems) or "all addresses answer")
    sys.exit(bool(problems))
