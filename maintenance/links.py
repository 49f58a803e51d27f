"""Ask whether the addresses that the kit's files name still answer: `python -m maintenance.links`.

The tests follow links within the kit; this needs the internet, and runs with `make newest`.
"""

import http.client
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

ROOT = Path(__file__).parents[1]
SUFFIXES = {".md", ".ipynb", ".py", ".yaml", ".yml", ".toml", ".slrm", ".css", ".js", ".html"}
ATTEMPTS = 3
SECONDS = 30
# Hosts that keep programs out say so with these; a reader may well get in.
KEEPING_OUT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
# Numbers, such as this machine's; names reserved for examples (RFC 2606, RFC 6761); `the.server`.
NO_NAMES = re.compile(
    r"[\d.]+|(.*\.)?example\.(com|net|org|edu)|.*\.(example|invalid|localhost|server|test)"
)
HEADERS = {"User-Agent": "Mozilla/5.0 (link check of a tutorial)"}


def addresses(root: Path) -> dict[str, list[str]]:
    """Return the addresses on other hosts in a clone's files, and the files that name each.

    Left out are the tests, hosts that are examples, and numbers, such as this machine's.
    """
    listed = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found: dict[str, list[str]] = {}
    for name in listed:
        if Path(name).suffix in SUFFIXES and not name.startswith("tests/"):
            for address in _addresses((root / name).read_text(encoding="utf-8")):
                found.setdefault(address, []).append(name)
    return found


def broken(named: Iterable[str]) -> dict[str, str]:
    """Return the addresses that do not answer, and why."""
    named = list(named)
    with ThreadPoolExecutor(8) as pool:
        problems = dict(zip(named, pool.map(_problem, named), strict=True))
    return {address: problem for address, problem in problems.items() if problem}


def as_text(problems: Mapping[str, str], named: Mapping[str, list[str]]) -> str:
    """Return a line per broken address: what it is, why, and which files name it."""
    return "".join(
        f"- {address}: {problem} ({', '.join(sorted(set(named[address])))})\n"
        for address, problem in sorted(problems.items())
    )


def _addresses(text: str) -> set[str]:
    found = set()
    # Markdown may have an address as the words of a link to itself, which end at `](`.
    for address in re.findall(r"https?://(?:(?!\]\()[^\s\"'<>`\\{}])+", text):
        address = address.rstrip(".,;:*_")
        while address.endswith(")") and address.count(")") > address.count("("):
            address = address[:-1].rstrip(".,;:")
        if _is_elsewhere(address):
            found.add(urldefrag(address).url)
    return found


def _is_elsewhere(address: str) -> bool:
    """Tell whether an address has a host that everybody finds by its name."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:  # what looks like an address is none
        return False
    return "." in host and not NO_NAMES.fullmatch(host)


def _problem(address: str) -> str:
    """Return why an address does not answer; empty if it does."""
    problem = ""
    for method in ("HEAD", *["GET"] * ATTEMPTS):  # some hosts refuse HEAD
        request = urllib.request.Request(address, method=method, headers=HEADERS)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
                return ""
        except urllib.error.HTTPError as error:
            if error.code in KEEPING_OUT:
                return ""
            problem = f"{error.code} {error.reason}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
    return problem


if __name__ == "__main__":
    named = addresses(ROOT)
    problems = broken(named)
    print(as_text(problems, named) or f"all {len(named)} addresses answer")
    sys.exit(bool(problems))
