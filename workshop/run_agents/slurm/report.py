"""The ledger as text and as JSON: first the counts of each cause, then the selected rows."""

import json
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

from sweepserver.search.values import closest
from workshop.errors import WorkshopError
from workshop.paths import shown as shown_path
from workshop.run_agents.slurm import journal
from workshop.run_agents.slurm.cause import KINDS
from workshop.run_agents.slurm.task_ledger import LIVE

if TYPE_CHECKING:
    import pandas as pd

FEW_ROWS = 20
"""A ledger of up to this many rows is shown in full."""

# Kinds of causes that need no attention.
_QUIET = ("finished", "stopped early", "no work left", *LIVE)
_SHOWN = ("task", "run", "configuration", "slurm", "exit_code", "run_state", "log", "cause")


def describe(frame: "pd.DataFrame", shown: "pd.DataFrame | None" = None) -> str:
    """Return a ledger as text for a terminal: the number of rows of each cause, then rows.

    Args:
        frame: the ledger.
        shown: the rows to show; by default all.
    """
    if frame.empty:
        return (
            f"no array was submitted for this sweep (none is recorded in "
            f"{shown_path(journal.logs())}, and no run names one): use `workshop submit`"
        )
    rows = frame if shown is None else shown
    return "\n".join([*counts(frame), *_table(rows)])


def counts(frame: "pd.DataFrame") -> list[str]:
    """Return a line with the number of rows of each cause, and one if SLURM does not answer."""
    found = Counter(frame["kind"])
    lines = [", ".join(f"{found[kind]} {kind}" for kind in KINDS if found[kind])]
    if problem := frame.attrs.get("problem"):
        lines.append(f"incomplete, because SLURM does not answer: {problem}")
    return lines


def remarkable(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows that need attention, or all rows if there are few."""
    return frame if len(frame) <= FEW_ROWS else frame[~frame["kind"].isin(_QUIET)]


def select(
    frame: "pd.DataFrame", only: Collection[str] = (), states: Collection[str] = ()
) -> "pd.DataFrame":
    """Return the rows of a ledger with the given causes and states.

    Args:
        frame: the ledger.
        only: kinds of causes; empty means any.
        states: SLURM's states, such as `FAILED`; empty means any.

    Raises:
        WorkshopError: there is no such cause, or no task is in such a state.
    """
    wanted = [state.upper() for state in states]
    present = sorted(set(frame["slurm"]))
    for state in wanted:
        if state not in present:
            raise WorkshopError(
                f"no task is in SLURM state {state}{closest(state, present)}: choose one of "
                f"{', '.join(present) or 'none'}"
            )
    if only:
        frame = frame[frame["kind"].isin(kinds(only))]
    return frame[frame["slurm"].isin(wanted)] if wanted else frame


def kinds(words: Collection[str]) -> list[str]:
    """Return kinds of causes as the ledger names them; a hyphen stands for a space.

    Raises:
        WorkshopError: a word isn't a kind of cause.
    """
    found = [word.lower().replace("-", " ") for word in words]
    for word in found:
        if word not in KINDS:
            raise WorkshopError(
                f"cause {word!r} is not known{closest(word, KINDS)}: use one that "
                f"`workshop status` counts, of {', '.join(KINDS)}"
            )
    return found


def as_json(frame: "pd.DataFrame", shown: "pd.DataFrame") -> str:
    """Return a ledger as one line of JSON: `counts`, `problem`, and `tasks`, the rows to show."""
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
