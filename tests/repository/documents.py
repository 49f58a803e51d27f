"""What tests read in documents: Markdown files and the prose of notebooks, and pages of HTML."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import nbformat

from workshop.paths import ROOT

FOLDERS = (
    "",
    "docs",
    "docs/decisions",
    "docs/site",
    "benchmarks",
    "deploy/jupyterhub",
    "deploy/open_ondemand",
    "maintenance",
    "packaging/sweepserver",
    "slurm",
)


def documents() -> list[Path]:
    """Return every Markdown file of the kit, and every notebook."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).glob("*.md")]
    notebooks = (ROOT / "notebooks").rglob("*.ipynb")
    return sorted([*files, *(path for path in notebooks if not path.match(".ipynb_checkpoints/*"))])


def markdown(document: Path) -> str:
    """Return the Markdown of a document; of a notebook, that of all its cells of text."""
    text = document.read_text(encoding="utf-8")
    if document.suffix != ".ipynb":
        return text
    cells = nbformat.reads(text, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def prose(document: Path) -> str:
    """Return the Markdown of a document, without its blocks of code."""
    text = markdown(document)
    return re.sub(r"^```.*?^```|^    .*?$", "", text, flags=re.MULTILINE | re.DOTALL)


def levels(document: Path) -> list[int]:
    """Return the levels of the headings of a document."""
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(document), re.MULTILINE)]


def are_in_order(levels: list[int]) -> bool:
    """Tell whether one heading of level 1 comes first, and no level is left out on the way down."""
    steps = all(after <= before + 1 for before, after in pairwise(levels))
    return levels[:1] == [1] and levels.count(1) == 1 and steps


def anchors(document: Path) -> set[str]:
    """Return what links may name behind `#`: GitHub's names, and JupyterLab's."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    if document.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Page(HTMLParser):
    """What a screen reader finds on a page of HTML.

    Attributes:
        levels: of its headings.
        language: of the page.
        title: of the page.
        unnamed: tags of pictures and controls without a name.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.levels, self.language, self.title, self.unnamed = [], "", "", []
        self._labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', text))
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self._open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag == "html":
            self.language = given.get("lang", "")
        named = given.get("aria-label") or given.get("aria-hidden") == "true"
        if (tag == "img" and not given.get("alt")) or (given.get("role") == "img" and not named):
            self.unnamed.append(self.get_starttag_text())
        is_field = tag in ("input", "select", "textarea") and given.get("type") != "hidden"
        inside = "label" in self._open
        if is_field and not (named or inside or given.get("id") in self._labelled):
            self.unnamed.append(self.get_starttag_text())

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        if "title" in self._open and "svg" not in self._open:
            self.title += data
