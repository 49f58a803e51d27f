"""Where the time of the tests goes: `tests/timings.csv`, and the table of it in `tests/README.md`.

`make timings` runs all tests and writes both anew.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

FILE = Path(__file__).with_name("timings.csv")
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- timings -->\n", "<!-- end of timings -->\n"
MODULES = 25
"""How many of the modules the table shows."""
LONG = 1.0
"""Seconds from which on a test is in the file."""


@dataclass
class Timing:
    """How long a test took, in seconds.

    Attributes:
        test: pytest's name of it.
        setup: for its fixtures, as far as it was the first to need them.
        call: for the test itself.
        teardown: for the end of fixtures that nobody needs any more.
        processor: of all that, the time of processors, this process's and that of all processes
            that it started and that ended meanwhile; the rest was waiting, or others' turn.
    """

    test: str
    setup: float = 0
    call: float = 0
    teardown: float = 0
    processor: float = 0

    @property
    def total(self) -> float:
        return self.setup + self.call + self.teardown


def recorded(file: Path = FILE) -> dict[str, float]:
    """Return how long each long test took in all when that was last recorded."""
    return {timing.test: timing.total for timing in read(file)}


def read(file: Path) -> list[Timing]:
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return [
            Timing(row.pop("test"), **{name: float(value) for name, value in row.items()})
            for row in csv.DictReader(lines)
        ]


def write(timings: Iterable[Timing], file: Path) -> None:
    """Write down the tests that take long."""
    long = [timing for timing in timings if timing.total >= LONG]
    with file.open("w", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(field.name for field in fields(Timing))
        for timing in sorted(long, key=lambda timing: timing.test):
            name, *seconds = astuple(timing)
            table.writerow([name, *(f"{value:.1f}" for value in seconds)])


def by_module(timings: Iterable[Timing]) -> list[Timing]:
    """Return the sums over each module, the longest first."""
    found: dict[str, Timing] = defaultdict(lambda: Timing(""))
    for timing in timings:
        module = timing.test.partition("::")[0]
        found[module].test = module
        for name in ("setup", "call", "teardown", "processor"):
            setattr(found[module], name, getattr(found[module], name) + getattr(timing, name))
    return sorted(found.values(), key=lambda timing: -timing.total)


def markdown(timings: Iterable[Timing]) -> str:
    """Return the modules that take longest as a table."""
    modules = by_module(timings)
    rows = [
        f"| `{m.test}` | {m.total:.0f} | {m.setup:.0f} | {m.call:.0f} | {m.teardown:.0f} | "
        f"{m.processor:.0f} |"
        for m in modules[:MODULES]
    ]
    rest = modules[MODULES:]
    rows.append(
        f"| the other {len(rest)} | {sum(m.total for m in rest):.0f} | "
        f"{sum(m.setup for m in rest):.0f} | {sum(m.call for m in rest):.0f} | "
        f"{sum(m.teardown for m in rest):.0f} | {sum(m.processor for m in rest):.0f} |"
    )
    head = [
        "| module | seconds | set-up | call | tear-down | processor |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    return "\n".join([*head, *rows, ""])


def renew_readme(told: str, timings: Iterable[Timing]) -> None:
    """Put a sentence about the run and the table of its modules into the README."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{told}\n\n{markdown(timings)}\n{END}{after}")
