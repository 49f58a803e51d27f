"""What an agent's output tells that its exit status does not.

`wandb agent` ends with status 0 when it gives up after too many failed programs, although its sweep
may have runs left.  (When it cannot reach its server, it ends with 1 or keeps asking.)
"""

import re

_GAVE_UP = re.compile(r"Detected \d+ (?:consecutive )?failed runs.*, shutting down")


def gave_up(output: str) -> str:
    """Return the agent's own words if it has given up after too many failures, else nothing."""
    found = _GAVE_UP.findall(output)
    return found[-1] if found else ""
