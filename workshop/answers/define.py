"""The exercises of step 1: define the sweep."""

from collections.abc import Mapping
from typing import Any

from workshop.analysis import hyperparameters
from workshop.answers.definition import ends, sound, unchanged
from workshop.answers.report import Condition, Judgement, judge, parts
from workshop.sweep import combinations, load

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
    yield from unchanged(definition, load("configs/sweep_config.yaml"), "metric")


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
    runs = combinations(definition)
    yield (
        runs == 10,
        "it ends after ten runs",
        "it never ends by itself: say after how many runs it is to end"
        if runs is None
        else f"it ends after {runs} runs, not after ten",
    )
    rate = definition["parameters"].get("learning_rate", {})
    if not (yield from _is_range(rate)):
        return
    distribution = rate.get("distribution", "uniform")
    advice = (
        "log_uniform takes the exponents of e as its ends, not the learning rates themselves: "
        "another distribution takes the values"
        if distribution == "log_uniform"
        else f"from the distribution {distribution} nine of ten draws are above 0.01: take one "
        "whose scale is logarithmic"
    )
    logarithmic = distribution in ("log_uniform_values", "q_log_uniform_values")
    yield logarithmic, "the learning rate is drawn on a logarithmic scale", advice
    if logarithmic:
        yield from _covers(rate)
    optimizer = definition["parameters"].get("optimizer", {})
    yield (
        sorted(optimizer.get("values", [])) == ["adam", "sgd"],
        "both optimizers are tried",
        "the optimizer is not drawn from adam and sgd any more: leave it as it was",
    )


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
    yield from ends(definition, MOST_RUNS)
    parameters = definition["parameters"]
    if (yield from _is_range(parameters.get("learning_rate", {}))):
        yield from _covers(parameters["learning_rate"])
        yield (
            "log" in parameters["learning_rate"].get("distribution", ""),
            "small learning rates are tried as often as large ones",
            "no linter minds it, but nine of ten learning rates will be above 0.01: on which "
            "scale should they be drawn?",
        )
    yield (
        "values" in parameters.get("optimizer", {}),
        "the optimizer is varied",
        "the file meant to vary the optimizer as well",
    )
    epochs = parameters.get("num_epochs", {})
    yield (
        epochs.get("value") == 3 or epochs.get("values") == [3],
        "every run has three epochs",
        "the file meant three epochs for every run",
    )


@judge("1.5")
def own_question(answer: Any) -> Judgement:
    """Design a sweep that answers a question of the learner's own."""
    if not (yield from parts(answer, (str, "your question"), (Mapping, "your definition"))):
        return
    question, definition = answer
    if not (yield from sound(definition)):
        return
    varied = list(hyperparameters(definition))
    yield (
        1 <= len(varied) <= 3,
        f"it varies {' and '.join(varied)}",
        "it varies nothing: give at least one parameter several values"
        if not varied
        else f"it varies {len(varied)} parameters: with three at the most you can still read "
        "the result",
    )
    original = load("configs/sweep_config.yaml")["parameters"]
    yield (
        any(definition["parameters"][name] != original.get(name) for name in varied),
        "it tries what the example does not",
        "it tries what the example tries: ask something of your own",
    )
    words = question.lower().replace("_", " ")
    yield (
        question.strip().endswith("?") and any(name.replace("_", " ") in words for name in varied),
        "the question names what is varied",
        "write the question as a sentence with a question mark that names a parameter that you "
        "vary: then you see whether the sweep can answer it",
    )
    yield "metric" in definition, "it says what is good", "say which metric decides, and its goal"
    yield from ends(definition, MOST_RUNS)


def _is_range(rate: Mapping) -> Condition:
    """Look whether a learning rate is drawn from a range."""
    if "values" in rate or "value" in rate:
        yield False, "", "learning_rate still lists values, and they win over a range: remove them"
        return False
    if "min" not in rate:
        yield False, "", "learning_rate has no range: say between which values it is drawn"
        return False
    return True


def _covers(rate: Mapping) -> Condition:
    """Look whether a learning rate is drawn from the range that was asked for."""
    right = (rate["min"], rate["max"]) == RATES
    yield (
        right,
        "the range is the one of the example",
        f"the learning rates go from {rate['min']} to {rate['max']}: they should go from the "
        "lowest to the highest of the example",
    )
    return right
