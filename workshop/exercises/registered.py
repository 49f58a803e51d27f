"""Checks of a registered sweep that several exercises share."""

from collections import Counter
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from workshop.define import definition
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.initialize.server_paths import split

if TYPE_CHECKING:
    import wandb

FAILED = ("failed", "crashed", "killed")


def find(
    path: Any, name: str = "the sweep"
) -> Generator[tuple[bool, str, str], None, "wandb.apis.public.Sweep | None"]:
    """Check that this is the path of a sweep; return the sweep, or None."""
    if not isinstance(path, str):
        kind = type(path).__name__
        yield False, "", f"this is a {kind}, not a path: give entity/project/ID as text"
        return None
    if path.split() != [path]:
        yield False, "", f"{path!r} isn't just a path: give only entity/project/ID"
        return None
    try:
        split(path)
    except WorkshopError as problem:
        yield False, "", str(problem)
        return None
    try:
        found = registration.get(path)
    except WorkshopError as error:
        yield False, "", _why_not(path, error)
        return None
    yield True, f"{name} is on the server", ""
    return found


def _why_not(path: str, error: WorkshopError) -> str:
    """Return why a sweep wasn't found: it doesn't exist, or the server didn't answer."""
    import wandb

    from workshop.connection.reachability import check_reachable

    if "Could not find sweep" in str(error):
        return f"there is no sweep {path} on the server: is it the path that `register` returned?"
    try:
        check_reachable(wandb.setup().settings.base_url)
    except WorkshopError as silence:
        return str(silence)
    return f"the server couldn't look up the sweep: {error.__context__ or error}"


def points(registered: "wandb.apis.public.Sweep") -> set[tuple]:
    """Return the set of combinations of a registered grid, without its scale."""
    axes = definition.grid(registered.config)
    frame = definition.preview(registered.config)[[name for name in axes if name != "scale"]]
    return {tuple(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)}


def in_words(states: Counter) -> str:
    """Return the number of runs in each state: `1 failed, 2 finished`."""
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no runs yet"
