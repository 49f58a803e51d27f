"""Lines that a run printed, as the client marks them.

A line is JSON with `ts`, `content`, and a `level` and a `label` if it has any; clients of servers
that do not know this form put the time, after ERROR if it went to stderr, before the text.
"""

import json
import re

# 2026-11-23T16:18:04.486185 text
MARKED = re.compile(r"(?:(?P<level>[A-Z]+) +)?(?P<timestamp>\d{4}-\d\d-\d\dT[\d:.]+Z?) ?")


def console_line(number: int, text: str) -> dict:
    """Return a console line as the API shows it: its text, and time, level and label beside it."""
    parts = structured(text) or marked(text)
    return {"number": number, **parts, "level": (parts["level"] or "info").lower()}


def structured(text: str) -> dict | None:
    """Return the parts of a line in the form of JSON; None if it has another form."""
    if not text.startswith("{"):
        return None
    try:
        parts = json.loads(text)
        found = {
            "timestamp": parts["ts"],
            "level": parts.get("level", ""),
            "label": parts.get("label", ""),
            "line": parts["content"],
        }
    except (ValueError, KeyError, RecursionError):
        return None
    return found if all(isinstance(part, str) for part in found.values()) else None


def marked(text: str) -> dict:
    """Return the parts of a line with marks before the text, if it has any."""
    match = MARKED.match(text)
    return {
        "timestamp": match and match["timestamp"],
        "level": match and match["level"],
        "label": "",
        "line": text[match.end() :] if match else text,
    }
