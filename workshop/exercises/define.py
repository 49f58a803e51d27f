"""The exercises of step 1: define the sweep."""

from collections.abc import Mapping
from typing import Any

from workshop.define.definition import load
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
from workshop.exercises.report import Judgement, judge, parts

RATE = "learning_rate"
RATES = (0.0001, 0.1)  # the range that 1.3 and 1.4 speak of
MOST_RUNS = 24  # of a sweep that a learner thinks of


@judge("1.1")
def another_metric(definition: Any) -> Judgement:
    """Judge runs by the lowest loss on images that they have not seen."""
    if not (yield from sound(definition)):
        return
    metric = definition.get("metric") or {}
    advice = {
        "Train Loss": "Train Loss tells how well a run remembers the images that it trained on; "
        "take the loss on the images that it has not seen",
        "Validation Accuracy": "the sweep still judges by Validation Accuracy, which is no loss",
    }
    name = metric.get("name")
    yield (
        name == "Validation Loss",
        "the metric is the loss on images that were not trained on",
        advice.get(name, "the section metric is missing"),
    )
    yield (
        metric.get("goal") == "minimize",
        "a low value is the better one",
        "with goal maximize the run with the highest loss would be the best",
    )
    yield from unchanged(definition, load(EXAMPLE), "metric")


@judge("1.2")
def count(runs: Any) -> Judgement:
    """Count a grid of four learning rates, two optimizers and three batch sizes."""
    if isinstance(runs, bool) or not isinstance(runs, int):
        yield False, "", f"{runs!r} is no whole number: answer with the number of runs"
        return
    advice = {
        4 + 2 + 3: "you have added the lengths of the lists, but each value of one meets every "
        "value of the others",
        4 * 2: "that is the grid without the batch sizes",
        4 * 3: "that is the grid without the optimizers",
        2 * 3: "that is the grid without the learning rates",
        4 * 2 * 4: "the new list has three values, not four",
    }
    yield (
        runs == 4 * 2 * 3,
        "every value of one list meets every value of the others",
        advice.get(runs, "count the values of each list; how many combinations do they make?"),
    )


@judge("1.3")
def random_search(definition: Any) -> Judgement:
    """Draw ten runs, the learning rate on a logarithmic scale."""
    if not (yield from sound(definition)):
        return
    method = definition["method"]
    yield method == "random", "the method draws at random", f"the method is {method}"
    yield from ends_after(definition, 10)
    yield from _logarithmic(definition)
    yield from unchanged(definition, load(EXAMPLE), "method", "run_cap", RATE)


@judge("1.4")
def repaired(definition: Any) -> Judgement:
    """Repair a definition with faults that the linter sees, and three that it does not see."""
    if not (yield from sound(definition)):
        return
    method = definition["method"]
    yield (
        method == "bayes",
        "the method learns from the runs that are done",
        f"the method became {method}, but the file meant the one that learns from its runs",
    )
    metric = definition.get("metric") or {"name": "nothing"}
    yield (
        metric["name"] == "Validation Accuracy",
        "the metric is the accuracy",
        f"the file meant the accuracy, not {metric['name']}",
    )
    if metric["name"] == "Validation Accuracy":
        yield (
            metric["goal"] == "maximize",
            "the goal fits the metric",
            "no linter can know it, but this goal looks for the worst accuracy",
        )
    yield from ends_after(definition, 20)
    yield from _logarithmic(definition)
    parameters = definition["parameters"]
    yield (
        set(listed(parameters.get("optimizer", {})) or []) == {"adam", "sgd"},
        "both optimizers are tried",
        "the file meant to compare the optimizers adam and sgd",
    )
    yield (
        listed(parameters.get("num_epochs", {})) == [3],
        "every run has three epochs",
        "the file meant three epochs for every run",
    )
    # Program and command are those of the example, and the file had nothing else.
    rest = {key: load(EXAMPLE)[key] for key in ("program", "command")}
    yield from unchanged(
        definition, rest, "method", "metric", "run_cap", RATE, "optimizer", "num_epochs"
    )


@judge("1.5")
def own_sweep(answer: Any) -> Judgement:
    """Design a sweep that answers a question of the learner's own."""
    if not (yield from parts(answer, (str, "your question"), (Mapping, "your definition"))):
        return
    question, definition = answer
    if not (yield from sound(definition)):
        return
    yield from own_question(question, definition)
    yield "metric" in definition, "it says what is good", "say which metric decides, and its goal"
    yield from ends(definition, MOST_RUNS)


def _logarithmic(definition: Mapping) -> Judgement:
    """Look whether small learning rates of the example's range come as often as large ones."""
    rate = definition["parameters"].get(RATE, {})
    if listed(rate):
        yield False, "", "learning_rate still lists values, and they win over a range: remove them"
        return
    if not {"min", "max"} <= set(rate):
        yield False, "", "learning_rate has no range: say between which values it is drawn"
        return
    low, high = rate["min"], rate["max"]
    distribution = rate.get("distribution", "uniform")
    advice = (
        f"{distribution} takes exponents of e as its ends, not the learning rates themselves: "
        "another distribution takes the values"
        if distribution in EXPONENTIAL
        else f"no linter minds it, but the scale of the distribution {distribution} is not "
        "logarithmic: from a uniform one nine of ten draws are above 0.01"
    )
    logarithmic = distribution in LOGARITHMIC
    yield logarithmic, "the learning rate is drawn on a logarithmic scale", advice
    if not logarithmic:
        return
    yield (
        (low, high) == RATES,
        "the range is the one of the example",
        f"the learning rates go from {low} to {high}: they should go from the lowest to the "
        "highest of the example",
    )
    if distribution.startswith("q_"):
        step = rate.get("q", 1)
        yield (
            step <= low,
            "its steps are fine enough for the smallest learning rate",
            f"only multiples of {step} are drawn, which is too coarse for small learning rates: "
            f"leave out the steps, or make them at most {low}",
        )
