"""Lines that a run printed, as the client marks them."""

import re

# 2026-11-23T16:18:04.486185 text, after ERROR if it went to stderr
CONSOLE_LINE = re.compile(r"(?:(?P<level>[A-Z]+) +)?(?P<timestamp>\d{4}-\d\d-\d\dT[\d:.]+Z?) ?")


def console_line(number: int, text: str) -> dict:
    """Return a console line with time and level taken off its front."""
    match = CONSOLE_LINE.match(text)
    return {
        "number": number,
        "timestamp": match["timestamp"] if match else None,
        "level": ((match and match["level"]) or "INFO").lower(),
        "label": "",
        "line": text[match.end() :] if match else text,
    }
