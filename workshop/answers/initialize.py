"""The exercises of step 2: initialize the sweep."""

from typing import Any

from workshop.answers.registered import find, points
from workshop.answers.report import Judgement, judge, parts
from workshop.sweep import grid

NEW_RATE = 0.03  # what 2.3 adds

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
    scale = registered.config["parameters"].get("scale", {}).get("value")
    yield (
        scale == "tiny",
        "its runs are of the scale that was asked for",
        f"its runs would be of scale {scale}: change the value in the definition, then register "
        "it anew (a registered sweep cannot be edited)",
    )
    runs = registered.expected_run_count
    yield runs == 8, "it is the example's grid of eight", f"it expects {runs} runs, not eight"
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
        yield False, "", "both paths are the same sweep: a registered one cannot be edited"
        return
    state = old.state.upper()
    yield (
        state == "CANCELED",
        "the old sweep is canceled: nobody works on it by mistake",
        f"the old sweep is {state.lower()}: an agent with its path might still work on it",
    )
    state = new.state.upper()
    yield (
        state in ("PENDING", "RUNNING"),
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
