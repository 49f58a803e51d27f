"""Addresses that code and configuration name, for Sphinx's linkcheck beside those of the pages.

A docstring names the paper that a method is from, and a comment the page that explains a setting.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.builders.linkcheck import CheckExternalLinksBuilder, Hyperlink
from sphinx.environment import BuildEnvironment

SUFFIXES = {".py", ".yaml", ".yml", ".toml", ".slrm", ".css", ".js", ".html"}
ADDRESS = re.compile(r"https?://[\w.-]+\.[a-z]\w*(?:[/?#][^\s\"'<>`\\{}]*)?")


def addresses(root: Path) -> Iterator[tuple[str, str, int]]:
    """Find the addresses in a clone's code, its tests left out.

    Yields:
        An address, the file that names it, relative to the clone, and the line.
    """
    listed = subprocess.run(
        ["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        if Path(name).suffix in SUFFIXES and not name.startswith("tests/"):
            lines = (root / name).read_text(encoding="utf-8").splitlines()
            for number, line in enumerate(lines, 1):
                for address in ADDRESS.findall(line):
                    yield _without_punctuation(address), name, number


def _without_punctuation(address: str) -> str:
    """Return an address without what ends the sentence, or the brackets, around it."""
    address = address.rstrip(".,;:*_")
    while address.endswith(")") and address.count(")") > address.count("("):
        address = address[:-1].rstrip(".,;:")
    return address


def add(app: Sphinx, _: BuildEnvironment) -> None:
    """Give linkcheck the addresses in code that no page has."""
    if isinstance(app.builder, CheckExternalLinksBuilder):
        for address, name, number in addresses(Path(app.srcdir)):
            link = Hyperlink(address, name, app.srcdir / name, number)
            app.builder.hyperlinks.setdefault(address, link)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register this with Sphinx."""
    app.connect("env-updated", add)
    return {"parallel_read_safe": True}
