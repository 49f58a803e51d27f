"""The exercises of step 2: initialize the sweep."""

from collections.abc import Mapping
from typing import Any

from workshop.define.definition import grid, load
from workshop.define.search_space import parameters
from workshop.exercises.definition import (
    EXAMPLE,
    ends_after,
    listed,
    own_question,
    repeats,
    sound,
    unchanged,
)
from workshop.exercises.registered import find, points
from workshop.exercises.report import Judgment, judge, parts
from workshop.wording import count

NEW_RATE = 0.03  # what 2.3 adds
LENT_RUNS = 12  # for how many 2.4 has agents
READY = ("PENDING", "RUNNING")
ENDED = ("CANCELED", "FINISHED")  # hand out nothing; a stopped sweep counts as finished

_STATES = {
    "PENDING": "the sweep is still waiting for its first agent, which would get a run: what did "
    "the client print?",
    "RUNNING": "the sweep hands out runs to every agent that asks",
    "FINISHED": "the sweep is stopped, as if it were done: resume it (`wandb sweep --resume`), "
    "then use the command you can undo",
    "CANCELED": "the sweep is canceled for good, and its runs were killed: register it again, and "
    "use the command you can undo",
}


@judge("2.1")
def register_tiny(path: Any) -> Judgment:
    """Register the example's grid at the smallest scale."""
    registered = yield from find(path)
    if registered is None:
        return
    yield from _is_tiny(registered.config)
    runs = registered.expected_run_count
    found = "runs without end" if runs is None else count(runs, "run")
    yield runs == 8, "it expects eight runs", f"it expects {found}, not eight"
    yield from unchanged(registered.config, load(EXAMPLE), "scale")
    given = len(registered.runs)
    yield (
        given == 0,
        "no run was handed out: registering starts nothing",
        f"{count(given, 'run was', 'runs were')} already handed out: register a sweep without any",
    )


@judge("2.2")
def hold(path: Any) -> Judgment:
    """Make a sweep hand out nothing for now."""
    registered = yield from find(path)
    if registered is None:
        return
    state = registered.state.upper()
    yield (
        state == "PAUSED",
        "an agent that asks gets nothing until the sweep is resumed",
        _STATES.get(state, f"the sweep is {state.lower()}"),
    )


@judge("2.3")
def replaced(answer: Any) -> Judgment:
    """Replace a sweep by one with a learning rate more."""
    if not (yield from parts(answer, (str, "the old path"), (str, "the new path"))):
        return
    old = yield from find(answer[0], "the old sweep")
    new = yield from find(answer[1], "the new sweep")
    if old is None or new is None:
        return
    if answer[0] == answer[1]:
        yield False, "", "both paths are the same sweep: register a new one"
        return
    state = old.state.upper()
    yield (
        state in ENDED,
        "the old sweep has ended, so nobody can work on it by mistake",
        f"the old sweep is {state.lower()}: an agent with its path could still work on it",
    )
    state = new.state.upper()
    yield (
        state in READY,
        "the new sweep is ready for agents",
        f"the new sweep is {state.lower()}: agents get no runs from it",
    )
    if not all(sweep.config["method"] == "grid" for sweep in (old, new)):
        yield False, "", "one of the two isn't a grid: leave the method as it was"
        return
    if not (yield from sound(new.config)):
        return
    rates = [grid(sweep.config).get("learning_rate", []) for sweep in (old, new)]
    yield (
        NEW_RATE in rates[1],
        f"the new sweep tries {NEW_RATE}",
        f"the new sweep does not try {NEW_RATE}",
    )
    lost = len(points(old) - points(new))
    yield (
        not lost,
        "it tries everything the old one tried",
        f"{count(lost, 'combination of the old sweep is', 'combinations of the old sweep are')} "
        "missing from the new one",
    )
    more = len(points(new) - points(old))
    yield (
        more <= 2,
        "it tries nothing else that's new",
        f"it tries {more} new combinations: add only one learning rate",
    )
    yield from unchanged(new.config, old.config, "learning_rate")


@judge("2.4")
def lent_agents(path: Any) -> Judgment:
    """Register a sweep of the learner's own that is worth something whenever its agents leave."""
    registered = yield from find(path)
    if registered is None:
        return
    definition = registered.config
    if not (yield from sound(definition)):
        return
    yield (
        definition["method"] != "grid",
        "whenever the agents leave, the finished runs come from the whole search space",
        "a grid works through its lists in order: if the agents leave early, it has never tried "
        "the last values of the first list",
    )
    if (yield from ends_after(definition, LENT_RUNS)):
        yield from repeats(definition, LENT_RUNS)
    yield from _is_tiny(definition)
    yield from own_question(str(definition.get("description", "")), definition)
    state = registered.state.upper()
    yield (
        state in READY,
        "it's ready for the agents",
        f"it's {state.lower()}: agents get no runs from it",
    )


def _is_tiny(definition: Mapping) -> Judgment:
    """Check that every run of a registered sweep has the smallest scale."""
    scales = listed(parameters(definition).get("scale", {})) or ["that of configs/config.yaml"]
    yield (
        scales == ["tiny"],
        "its runs have the right scale",
        f"its runs would have scale {' or '.join(map(str, scales))}: change the value in the "
        "definition, then register it again",
    )
