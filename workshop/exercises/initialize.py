"""The exercises of step 2: initialize the sweep."""

from collections.abc import Mapping
from typing import Any

from workshop.define.definition import grid, load
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
from workshop.exercises.report import Judgement, judge, parts

NEW_RATE = 0.03  # what 2.3 adds
LENT_RUNS = 12  # for how many 2.4 has agents
READY = ("PENDING", "RUNNING")

_STATES = {
    "PENDING": "the sweep still waits for its first agent, which will be given a run; what did the "
    "client say to your command?",
    "RUNNING": "the sweep hands out runs to every agent that asks",
    "FINISHED": "the sweep was stopped, as if it were done; a pause is what you mean to end later",
    "CANCELED": "the sweep was canceled, which is meant for good and kills its runs: register it "
    "again, and do it more gently",
}


@judge("2.1")
def register_tiny(path: Any) -> Judgement:
    """Register the example's grid at the smallest scale."""
    registered = yield from find(path)
    if registered is None:
        return
    yield from _is_tiny(registered.config)
    runs = registered.expected_run_count
    yield runs == 8, "it expects eight runs", f"it expects {runs} runs, not eight"
    yield from unchanged(registered.config, load(EXAMPLE), "scale")
    given = len(registered.runs)
    yield (
        given == 0,
        "no run was handed out, for registering starts nothing",
        f"{given} of its runs were handed out already: this exercise wants a sweep without",
    )


@judge("2.2")
def hold(path: Any) -> Judgement:
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
def replaced(answer: Any) -> Judgement:
    """Replace a sweep by one with a learning rate more."""
    if not (yield from parts(answer, (str, "the old path"), (str, "the new path"))):
        return
    old = yield from find(answer[0])
    new = yield from find(answer[1])
    if old is None or new is None:
        return
    if answer[0] == answer[1]:
        yield False, "", "both paths are the same sweep: register the new one beside the old one"
        return
    state = old.state.upper()
    yield (
        state == "CANCELED",
        "the old sweep is canceled: nobody works on it by mistake",
        f"the old sweep is {state.lower()}: an agent with its path might still work on it",
    )
    state = new.state.upper()
    yield (
        state in READY,
        "the new sweep is ready for agents",
        f"the new sweep is {state.lower()}: agents get nothing from it",
    )
    if not all(sweep.config["method"] == "grid" for sweep in (old, new)):
        yield False, "", "one of the two is no grid: leave the method as it was"
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
        "it tries everything that the old one tried",
        f"{lost} combinations of the old sweep are missing in the new one",
    )
    more = len(points(new) - points(old))
    yield (
        more <= 2,
        "it tries nothing else that is new",
        f"it tries {more} new combinations: only one learning rate was to be added",
    )
    yield from unchanged(new.config, old.config, "learning_rate")


@judge("2.4")
def lent_agents(path: Any) -> Judgement:
    """Register a sweep of the learner's own that is worth something whenever its agents leave."""
    registered = yield from find(path)
    if registered is None:
        return
    definition = registered.config
    if not (yield from sound(definition)):
        return
    yield (
        definition["method"] != "grid",
        "whenever the agents leave, what is done comes from everywhere in the search",
        "a grid goes through its lists in order: when the agents leave early, it has not seen "
        "the last values of the first list",
    )
    if (yield from ends_after(definition, LENT_RUNS)):
        yield from repeats(definition)
    yield from _is_tiny(definition)
    yield from own_question(str(definition.get("description", "")), definition)
    state = registered.state.upper()
    yield (
        state in READY,
        "it is ready for the agents",
        f"it is {state.lower()}: agents get nothing from it",
    )


def _is_tiny(definition: Mapping) -> Judgement:
    """Look whether every run of a registered sweep is of the smallest scale."""
    scales = listed(definition["parameters"].get("scale", {})) or ["that of configs/config.yaml"]
    yield (
        scales == ["tiny"],
        "its runs are of the scale that was asked for",
        f"its runs would be of scale {' or '.join(map(str, scales))}: change the value in the "
        "definition, then register it anew",
    )
