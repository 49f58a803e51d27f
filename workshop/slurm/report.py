"""The ledger for a terminal and for a program: first its counts, then the rows asked for."""

import json
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

from workshop.config import closest
from workshop.errors import WorkshopError
from workshop.paths import shown as shown_path
from workshop.slurm import notes
from workshop.slurm.cause import KINDS
from workshop.slurm.table import LIVE

if TYPE_CHECKING:
    import pandas as pd

FEW_ROWS = 20
"""As many are shown whatever their causes are."""

_QUIET = (
    "finished",
    "stopped early",
    "no work left",
    *LIVE,
)  # kinds of causes that nobody needs to look at
_SHOWN = ("task", "run", "configuration", "slurm", "exit_code", "run_state", "log", "cause")


def describe(frame: "pd.DataFrame", shown: "pd.DataFrame | None" = None) -> str:
    """Return a ledger as text for a terminal: how many there are of each cause, then rows.

    Args:
        frame: the ledger.
        shown: the rows to show; by default all.
    """
    if frame.empty:
        return (
            "no array was submitted for this sweep: `workshop submit` does it (none is recorded in "
            f"{shown_path(notes.logs())}, and no run names one)"
        )
    rows = frame if shown is None else shown
    return "\n".join([*counts(frame), *_table(rows)])


def counts(frame: "pd.DataFrame") -> list[str]:
    """Return a line with the number of rows of each cause, and one if SLURM does not answer."""
    found = Counter(frame["kind"])
    lines = [", ".join(f"{found[kind]} {kind}" for kind in KINDS if found[kind])]
    if problem := frame.attrs.get("problem"):
        lines.append(f"without what SLURM knows: {problem}")
    return lines


def remarkable(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows that somebody should look at, or all if they are few."""
    return frame if len(frame) <= FEW_ROWS else frame[~frame["kind"].isin(_QUIET)]


def select(
    frame: "pd.DataFrame", only: Collection[str] = (), states: Collection[str] = ()
) -> "pd.DataFrame":
    """Return the rows of a ledger with one of some causes, in one of some states.

    Args:
        frame: the ledger.
        only: kinds of causes; none means any.
        states: SLURM's states, such as `FAILED`; none means any.

    Raises:
        WorkshopError: there is no such cause, or no task is in such a state.
    """
    wanted = [state.upper() for state in states]
    present = sorted(set(frame["slurm"]))
    for state in wanted:
        if state not in present:
            raise WorkshopError(
                f"none of these tasks is {state} to SLURM{closest(state, present)}: they are "
                f"{', '.join(present) or 'none'}"
            )
    if only:
        frame = frame[frame["kind"].isin(kinds(only))]
    return frame[frame["slurm"].isin(wanted)] if wanted else frame


def kinds(words: Collection[str]) -> list[str]:
    """Return kinds of causes as the ledger names them; a hyphen stands for a space.

    Raises:
        WorkshopError: a word is none of them.
    """
    found = [word.lower().replace("-", " ") for word in words]
    for word in found:
        if word not in KINDS:
            raise WorkshopError(
                f"{word!r} is no cause{closest(word, KINDS)}: choose one that `workshop status` "
                f"counts, of {', '.join(KINDS)}"
            )
    return found


def as_json(frame: "pd.DataFrame", shown: "pd.DataFrame") -> str:
    """Return a ledger on one line: `counts` of all, `problem`, and `tasks`, the rows to show."""
    return json.dumps(
        {
            "counts": dict(Counter(frame["kind"])),
            "problem": frame.attrs.get("problem", ""),
            "tasks": json.loads(shown.to_json(orient="records")),
        }
    )


def _table(rows: "pd.DataFrame") -> list[str]:
    if rows.empty:
        return []
    # Left-aligned, so that a long cause at the end does not push the others aside.
    texts = rows[[*_SHOWN]].fillna("").rename(columns=lambda name: name.replace("_", " "))
    widths = {name: max(len(name), int(texts[name].str.len().max())) for name in texts}
    lines = [{name: name for name in widths}, *texts.to_dict("records")]
    return [
        "  ".join(line[name].ljust(width) for name, width in widths.items()).rstrip()
        for line in lines
    ]
