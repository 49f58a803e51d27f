"""Tables as templates show them: `{{ tables.table(a_table) }}` after importing `tables.html`.

A script makes the columns sortable by mouse and keyboard; numbers are sorted as numbers before
texts, and cells without a value come last whichever way the order goes.
"""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from sweepserver.pages import formats
from sweepserver.pages.numbers import is_number
from sweepserver.store.records import Run

MOST_TEXT_CHARACTERS = 60
Order = Literal["ascending", "descending"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: What it shows.
        sort: What its row is sorted by; None is last.
        href: Where it leads to, seen from the first page.
        kind: CSS classes.
        moment: A time as seconds since 1970; the text is that time for browsers without scripts.
        title: The whole text if `text` is a part of it.
        share: How much is done, from 0 to 1, to be drawn as a bar before the text.
    """

    text: str
    sort: float | str | None = None
    href: str | None = None
    kind: str = ""
    moment: float | None = None
    title: str | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column.

    Attributes:
        title: What it says.
        kind: CSS classes: `number` stands at the right, `parameter` has the color of those.
        order: How the rows are sorted by this column already, if they are.
        name: What it is known by when the page is renewed, if its title may change.
    """

    title: str
    kind: str = ""
    order: Order | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of a row is its head.

    Attributes:
        id: Unique on the page.
        label: What is listed, for readers who do not see it.
        columns: The heads.
        rows: A key, by which a row is known when the page is renewed, and its cells.
    """

    id: str
    label: str
    columns: list[Column]
    rows: list[tuple[str, list[Cell]]]


def value(item: object, kind: str = "") -> Cell:
    """Return a cell with something that was logged or configured."""
    if item is None or item != item:  # NaN
        return Cell(formats.shown(item), kind=kind)
    if is_number(item):
        return Cell(formats.shown(item), item, kind=kind)
    return text(formats.shown(item), kind)


def text(item: str, kind: str = "", href: str | None = None) -> Cell:
    """Return a cell with a text, cut if it is long."""
    if len(item) <= MOST_TEXT_CHARACTERS:
        return Cell(item, item, href, kind)
    return Cell(item[: MOST_TEXT_CHARACTERS - 1] + "…", item[:1000], href, kind, title=item[:1000])


def link(item: str, *parts: str) -> Cell:
    """Return a cell that leads to another page, whose path has these parts."""
    return text(item, href=address(*parts))


def state(name: str) -> Cell:
    """Return a cell with the state of a run, a sweep or an agent."""
    return Cell(name.lower(), name.lower(), kind=f"state {name.lower()}")


def run_state(run: Run) -> Cell:
    """Return a cell with the state of a run; what its sweep has ended is not a failure."""
    words = run.state_in_words
    return state(run.state) if words == run.state else Cell(words, run.state, kind="state")


def moment(seconds: float | None) -> Cell:
    """Return a cell with a time, given as seconds since 1970."""
    if seconds is None:
        return Cell(formats.shown(None))
    return Cell(formats.moment(seconds), seconds, moment=seconds)


def span(seconds: float) -> Cell:
    """Return a cell with a duration."""
    return Cell(formats.span(seconds), seconds, kind="number")


def address(*parts: str) -> str:
    """Return the address of a page, seen from the first one."""
    return "/".join(quote(part, safe="") for part in parts)
