"""The exercises of notebook 07: search better."""

import re
from collections.abc import Callable, Generator, Mapping
from typing import Any

import pandas as pd

from sweepserver.search import hyperband
from sweepserver.search.metric import Metric
from workshop.analyze import search_methods
from workshop.analyze.pareto import rank_fronts
from workshop.analyze.ranking import rank
from workshop.analyze.replicates import SEED
from workshop.exercises.report import SEVERAL, Condition, Judgment, given, judge, parts
from workshop.trainer.metrics import VALIDATION_ACCURACY
from workshop.wording import count

METRIC = VALIDATION_ACCURACY
EPOCHS = 9  # of the recorded curves
COMPARED_AFTER = [2, 4, 8]  # epochs, in 7.1
SAVED = 0.5  # of the epochs, in 7.2
RATES = (0.0001, 0.3)  # of the search space in 7.3
GOALS = [Metric(METRIC, maximize=True), Metric("seconds")]  # of 7.4
MOST_SECONDS = 3  # of the run that 7.4 takes
FIRST_SEED = 2  # of the sweep whose winner 7.5 looks at
POINT = ("learning_rate", "optimizer")  # of 7.5
TOLERANCE = 0.1  # of a mean, in percentage points


@judge("7.1")
def compared_later(answer: Any) -> Judgment:
    """Write early termination that compares runs after 2, 4 and 8 epochs."""
    if not (yield from _settings(answer)):
        return
    found = sorted(hyperband.brackets(answer, EPOCHS))
    if found == [2, 6]:
        advice = "it compares after 2 and 6 epochs: which `eta` doubles instead of tripling?"
    elif found[:1] == [1]:
        advice = "it compares runs after only one epoch: how many should a run get first?"
    else:
        times = ", ".join(map(str, found)) or "none"
        advice = f"of nine epochs, it compares after {times}, not after 2, 4 and 8"
    yield found == COMPARED_AFTER, "it compares after 2, 4 and 8 epochs", advice


@judge("7.2")
def saves_and_keeps(answer: Any) -> Judgment:
    """Find settings that save half of the epochs and never lose the winner."""
    if not (yield from _settings(answer)):
        return
    replayed = search_methods.compare_stopping({"yours": answer}).loc["yours"]
    saved, lost = replayed["epochs saved"], replayed["winner lost"]
    yield (
        saved >= SAVED,
        f"it saves {100 * saved:.0f} % of the epochs",
        f"it saves {100 * saved:.0f} % of the epochs, but should save half: compare sooner, or let "
        "fewer runs continue",
    )
    yield (
        lost == 0,
        "the best run is never stopped, in any order",
        f"the best run is stopped in {100 * lost:.0f} % of the orders: give runs longer before "
        "they are compared for the first time",
    )


@judge("7.3")
def conditional_space(answer: Any) -> Judgment:
    """Repair a search space whose scale is wrong, and which asks what does not matter."""
    if not callable(answer) or isinstance(answer, type):
        kind = type(answer).__name__
        yield False, "", f"this is a {kind}, not a search space: give the function itself"
        return
    adam = yield from _asked(answer, "adam")
    sgd = yield from _asked(answer, "sgd")
    if adam is None or sgd is None:
        return
    values, axes = sgd
    missing = [name for name in ("optimizer", "learning_rate", "momentum") if name not in values]
    if missing:
        yield False, "", f"with sgd, it doesn't return {missing[0]}"
        return
    optimizers = set(getattr(axes.get("optimizer"), "choices", ()))
    yield (
        optimizers == {"adam", "sgd"},
        "it tries both optimizers",
        "it must ask for the optimizer, adam or sgd, with `suggest_categorical`",
    )
    rate = axes.get("learning_rate")
    yield (
        getattr(rate, "log", False),
        "the learning rate is drawn on a logarithmic scale",
        "the learning rate is drawn uniformly, so two of three draws are above 0.1: use "
        "`suggest_float` with `log=True`",
    )
    ends = (getattr(rate, "low", None), getattr(rate, "high", None))
    yield (
        ends == RATES,
        "its range is unchanged",
        f"the learning rate's range was 0.0001 to 0.3, and is now {ends[0]} to {ends[1]}",
    )
    yield (
        "momentum" in axes,
        "SGD's momentum is searched",
        "with sgd, it must ask for the momentum, with `suggest_float`",
    )
    yield (
        "momentum" not in adam[1],
        "with Adam, it doesn't ask for a momentum",
        "with adam, it asks for a momentum, which Adam ignores: ask only if the optimizer is sgd",
    )
    if not isinstance(adam[0].get("momentum", 0.0), (int, float)):
        yield False, "", "with adam, it returns a momentum that isn't a number: leave it out"


@judge("7.4")
def choice_of_a_front(answer: Any) -> Judgment:
    """Find the Pareto front, and choose the run of it that fits a budget."""
    wanted = ((pd.DataFrame, "runs"), (SEVERAL, "a list of names"), (str, "the name of a run"))
    if not (yield from parts(answer, *wanted)):
        return
    runs, front, choice = answer
    if not {"name", "state", *(goal.name for goal in GOALS)} <= set(runs) or runs.empty:
        yield False, "", "this isn't the table of runs that the exercise starts with"
        return
    ranked = rank_fronts(runs, GOALS)
    first = ranked[ranked["front"] == 1]
    names = set(first["name"])
    yield (
        not set(map(str, front)) - names,
        "no run of your front is beaten by another",
        "your front has a run that another one beats, or equals in one goal and beats in the "
        "other: `rank_fronts` numbers the fronts, and the Pareto front is number 1",
    )
    lost = len(names - set(map(str, front)))
    yield (
        not lost,
        "your front is complete",
        f"{count(lost, 'run of the Pareto front is', 'runs of the Pareto front are')} missing: it "
        "extends to the slowest run that no other run beats",
    )
    fast = first[first["seconds"] <= MOST_SECONDS]
    if choice not in set(runs["name"]):
        yield False, "", f"there is no run {choice!r}: give a name from the column `name`"
    elif choice not in names:
        yield False, "", f"{choice} isn't on the front: another run is better by both goals"
    elif choice not in set(fast["name"]):
        yield False, "", f"{choice} takes more than {MOST_SECONDS} seconds"
    else:
        chosen = fast.set_index("name").loc[choice]
        yield (
            chosen[METRIC] == fast[METRIC].max(),
            f"no run within {MOST_SECONDS} seconds is more accurate",
            f"{choice} is fast enough, but another fast enough run of the front is more accurate",
        )


@judge("7.5")
def winner_that_was_not(answer: Any) -> Judgment:
    """Find the point that new seeds confirm, and how lucky the winner of the first seed was."""
    wanted = (
        (pd.DataFrame, "runs"),
        (SEVERAL, "a point (learning rate, optimizer)"),
        ((int, float), "a number of percentage points"),
    )
    if not (yield from parts(answer, *wanted)):
        return
    runs, point, luck = answer
    if not {*POINT, SEED, METRIC, "state"} <= set(runs) or runs[SEED].nunique() < 2:
        yield False, "", "this isn't the table of runs that the exercise starts with"
        return
    first, follow_up = runs[runs[SEED] == FIRST_SEED], runs[runs[SEED] != FIRST_SEED]
    means = rank(follow_up, METRIC).groupby(list(POINT))[METRIC].mean()
    winner = rank(first, METRIC).iloc[0]
    lucky = tuple(winner[name] for name in POINT)
    point = tuple(point)
    if not all(isinstance(part, (str, float)) for part in point) or point not in means.index:
        yield (
            False,
            "",
            f"there is no point {given(point)}: give it as (learning rate, optimizer), one of "
            f"{', '.join(map(str, means.index))}",
        )
        return
    yield (
        point == means.idxmax(),
        "no point has a higher mean with the new seeds",
        "this is the winner of the first sweep: with the new seeds, another point has a higher mean"
        if point == lucky
        else "another point has a higher mean with the new seeds",
    )
    drop = winner[METRIC] - means[lucky]
    counted = runs[(runs[list(POINT)] == winner[list(POINT)]).all(axis=1)][METRIC].mean()
    if abs(luck + drop) <= TOLERANCE:
        advice = "the first value was the higher one: take the new mean from it"
    elif round(drop) == luck:
        advice = "that is rounded: give it with one decimal"
    elif abs(luck - (winner[METRIC] - counted)) <= TOLERANCE:
        advice = "your mean includes the lucky seed that the point was chosen by: leave it out"
    elif abs(luck - 100 * drop / means[lucky]) <= TOLERANCE:
        advice = "that is relative to its mean: give percentage points, which are the difference"
    else:
        advice = (
            "start from the value that the first sweep's winner won with, and subtract its mean "
            "with the new seeds"
        )
    praise = f"the winner was {drop:.1f} percentage points too good"
    yield abs(luck - drop) <= TOLERANCE, praise, advice


def _settings(answer: Any) -> Condition:
    """Check that these are settings of early termination that the server would accept."""
    if not isinstance(answer, Mapping):
        kind = type(answer).__name__
        yield False, "", f"this is a {kind}, not a mapping: give what is under early_terminate"
        return False
    if "early_terminate" in answer:
        yield False, "", "this is a definition: give only what is under early_terminate"
        return False
    problems = list(hyperband.problems(dict(answer)))
    for problem in problems:
        yield False, "", problem
    return not problems


def _asked(
    space: Callable[..., Any], optimizer: str
) -> Generator[tuple[bool, str, str], None, tuple[Mapping, dict[str, Any]] | None]:
    """Call a search space as Optuna does; return what it returned and asked for, or None."""
    import optuna

    # Within the ranges that the exercise gives.
    fixed = {"optimizer": optimizer, "learning_rate": 0.01, "momentum": 0.9}
    trial = optuna.trial.FixedTrial(fixed)
    try:
        values = space(trial)
    except Exception as error:
        other = re.search(r"value of the parameter '(.*)' is not found", str(error))
        if other and other[1] not in fixed:
            wanted = ", ".join(fixed)
            reason = f"it asks for {other[1]!r}, which is none of the exercise's parameters"
            yield False, "", f"{reason}: ask for {wanted}, each by its own name"
            return None
        reason = f"{type(error).__name__}: {error}"
        yield False, "", f"with {optimizer}, Optuna can't use it ({reason})"
        return None
    if not isinstance(values, Mapping):
        yield False, "", "it doesn't return a dictionary of values, which is what a run gets"
        return None
    return values, trial.distributions
