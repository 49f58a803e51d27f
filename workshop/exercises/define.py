"""The exercises of step 1: define the sweep."""

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from sweepserver.search.metric import Metric
from workshop.define.definition import load
from workshop.define.search_space import parameters
from workshop.exercises.definition import (
    EXAMPLE,
    EXPONENTIAL,
    LOGARITHMIC,
    ends,
    ends_after,
    listed,
    own_question,
    sound,
    unchanged,
)
from workshop.exercises.report import Judgment, given, judge, parts

RATE = "learning_rate"
RATES = (0.0001, 0.1)  # the range in 1.3 and 1.4
CLOSE = 0.02  # of the range's ends, where they are exponents that somebody has rounded
MOST_RUNS = 24  # of a learner's own sweep


@judge("1.1")
def another_metric(definition: Any) -> Judgment:
    """Judge runs by the lowest loss on images that they have not seen."""
    if not (yield from sound(definition)):
        return
    metric = Metric.of(definition)
    advice = {
        "Train Loss": "Train Loss says how well a run remembers the images it trained on: take the "
        "loss on images it hasn't seen",
        "Validation Accuracy": "the sweep still judges by Validation Accuracy, which isn't a loss",
    }
    name = metric.name if metric else ""
    yield (
        name == "Validation Loss",
        "the metric is the loss on images the model wasn't trained on",
        advice.get(name, "the section metric is missing"),
    )
    if metric is None:
        return
    yield (
        not metric.maximize,
        "lower values are better",
        "with goal maximize, the run with the highest loss would win",
    )
    yield from unchanged(definition, load(EXAMPLE), "metric")


@judge("1.2")
def count(runs: Any) -> Judgment:
    """Count a grid of four learning rates, two optimizers and three batch sizes."""
    is_whole = isinstance(runs, float) and runs.is_integer()
    if isinstance(runs, bool) or not (is_whole or isinstance(runs, Integral)):
        yield False, "", f"{given(runs)} isn't an integer: answer with the number of runs"
        return
    runs = int(runs)
    advice = {
        4 + 2 + 3: "you added the lengths of the lists, but each value of one list meets every "
        "value of the others",
        4 * 2: "that's the grid without the batch sizes",
        4 * 3: "that's the grid without the optimizers",
        2 * 3: "that's the grid without the learning rates",
        4 * 2 * 4: "the new list has three values, not four",
    }
    yield (
        runs == 4 * 2 * 3,
        "every value of one list meets every value of the others",
        advice.get(runs, "count the values of each list; how many combinations do they make?"),
    )


@judge("1.3")
def random_search(definition: Any) -> Judgment:
    """Draw ten runs, the learning rate on a logarithmic scale."""
    if not (yield from sound(definition)):
        return
    method = definition["method"]
    yield method == "random", "the method draws at random", f"the method is {method}"
    yield from ends_after(definition, 10)
    yield from _logarithmic(definition)
    yield from unchanged(definition, load(EXAMPLE), "method", "run_cap", RATE)


@judge("1.4")
def repaired(definition: Any) -> Judgment:
    """Repair a definition with faults that the linter finds, and three that it doesn't."""
    if not (yield from sound(definition)):
        return
    method = definition["method"]
    yield (
        method == "bayes",
        "the method learns from finished runs",
        f"the method is now {method}, but the file meant the one that learns from its runs",
    )
    metric = Metric.of(definition)
    name = metric.name if metric else "nothing"
    yield (
        name == "Validation Accuracy",
        "the metric is the accuracy",
        f"the file meant the accuracy, not {name}",
    )
    if metric and name == "Validation Accuracy":
        yield (
            metric.maximize,
            "the goal fits the metric",
            "no linter can tell, but this goal looks for the worst accuracy",
        )
    yield from ends_after(definition, 20)
    yield from _logarithmic(definition)
    tried = parameters(definition)
    yield (
        set(listed(tried.get("optimizer", {})) or []) == {"adam", "sgd"},
        "it tries both optimizers",
        "the file meant to compare the optimizers adam and sgd",
    )
    yield (
        listed(tried.get("num_epochs", {})) == [3],
        "every run trains for three epochs",
        "the file meant three epochs for every run",
    )
    # Program and command are those of the example, and the file had nothing else.
    rest = {key: load(EXAMPLE)[key] for key in ("program", "command")}
    yield from unchanged(
        definition, rest, "method", "metric", "run_cap", RATE, "optimizer", "num_epochs"
    )


@judge("1.5")
def own_sweep(answer: Any) -> Judgment:
    """Design a sweep that answers a question of the learner's own."""
    if not (yield from parts(answer, (str, "your question"), (Mapping, "your definition"))):
        return
    question, definition = answer
    if not (yield from sound(definition)):
        return
    yield from own_question(question, definition)
    yield "metric" in definition, "it names its metric", "say which metric decides, and its goal"
    yield from ends(definition, MOST_RUNS)


def _logarithmic(definition: Mapping) -> Judgment:
    """Check that small learning rates of the example's range are drawn as often as large ones."""
    rate = parameters(definition).get(RATE, {})
    if listed(rate):
        yield False, "", "learning_rate still lists values, which override a range: remove them"
        return
    if not {"min", "max"} <= set(rate):
        yield False, "", "learning_rate has no range: give min and max"
        return
    low, high = rate["min"], rate["max"]
    distribution = rate.get("distribution", "uniform")
    logarithmic = distribution in (*LOGARITHMIC, *EXPONENTIAL)
    yield (
        logarithmic,
        "the learning rate is drawn on a logarithmic scale",
        f"no linter objects, but distribution {distribution} is not logarithmic: with a uniform "
        "one, nine out of ten draws are above 0.01",
    )
    if not logarithmic:
        return
    advice = (
        f"the learning rates go from {low} to {high}: they should go from the example's lowest to "
        "its highest"
    )
    if distribution in EXPONENTIAL:
        low, high = math.exp(low), math.exp(high)
        advice = (
            f"the ends of {distribution} are exponents of e, so the learning rates go from "
            f"{low:.3g} to {high:.3g}: give the natural logarithms of the ends, or use the "
            "distribution that takes the ends themselves"
        )
    yield (
        all(math.isclose(*ends, rel_tol=CLOSE) for ends in zip((low, high), RATES, strict=True))
        if distribution in EXPONENTIAL
        else (low, high) == RATES,
        "the range is the example's",
        advice,
    )
    if distribution.startswith("q_"):
        step = rate.get("q", 1)
        yield (
            step <= low,
            "its steps are fine enough for the smallest learning rate",
            f"it draws only multiples of {step}, which is too coarse for small learning rates: "
            f"leave out q, or make it at most {low}",
        )
