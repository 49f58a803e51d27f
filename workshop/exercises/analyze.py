"""The exercises of step 4: analyze runs."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sweepserver.search import Scale, hyperparameters
from workshop.analyze.parameter_importance import chance_correlation, importance
from workshop.analyze.ranking import rank
from workshop.define.definition import grid, preview
from workshop.exercises.definition import ends, sound
from workshop.exercises.report import SEVERAL, Condition, Judgment, given, judge, parts
from workshop.trainer.metrics import VALIDATION_ACCURACY, VALIDATION_LOSS
from workshop.wording import count

METRIC = VALIDATION_ACCURACY
LOSS = VALIDATION_LOSS
RATE = "learning_rate"
MOST_RUNS = 8  # of the sweep that 4.5 designs
KEYS = ("run", "name")  # columns that say which run a row is of
COLUMNS = {"run", "name", "state", RATE, "optimizer", METRIC, LOSS}  # that the exercises look at


@judge("4.1")
def ranked(answer: Any) -> Judgment:
    """Rank runs by the lowest validation loss."""
    if not (yield from _with_runs(answer, (pd.DataFrame, "the ranked table"))):
        return
    runs, ranking = answer
    if ranking.index.name in KEYS:
        ranking = ranking.reset_index()
    key = next((key for key in KEYS if key in ranking), None)
    if key is None or LOSS not in ranking:
        yield False, "", f"this isn't a ranking of runs: keep the columns `name` and `{LOSS}`"
        return
    counting = rank(runs, LOSS, "minimize")[key]
    is_counting = ranking[key].isin(counting)
    yield (
        is_counting.all(),
        "it ranks only runs that finished with a number",
        f"{count(int((~is_counting).sum()), 'run')} of it did not finish with a number: leave "
        "those out, as `rank` does",
    )
    missing = set(counting) - set(ranking[key])
    yield (
        not missing,
        "it ranks all of them",
        f"{count(len(missing), 'finished run is', 'finished runs are')} missing: rank the whole "
        "table, and give the whole ranking",
    )
    losses = ranking.loc[is_counting, LOSS]
    if losses.is_monotonic_decreasing and losses.nunique() > 1:
        advice = "the first row has the highest loss: which goal does a loss have?"
    elif ranking[key].tolist() == runs[key].tolist():
        advice = "this is the table of all runs, unsorted: `rank` sorts them"
    else:
        advice = "the rows aren't sorted by validation loss: which metric did you rank them by?"
    yield losses.is_monotonic_increasing, "the first row has the lowest loss", advice


@judge("4.2")
def best_on_average(answer: Any) -> Judgment:
    """Name the learning rate with the best mean accuracy over the optimizers."""
    if not (yield from _with_runs(answer, ((int, float), "a learning rate"))):
        return
    runs, rate = answer
    counting = rank(runs, METRIC)
    means = counting.groupby(RATE)[METRIC].mean()
    if rate not in means.index:
        yield False, "", f"no run has the learning rate {rate}"
        return
    single = counting.iloc[0][RATE]
    if rate == means.idxmin() and len(means) > 1:
        advice = "this is the learning rate with the lowest mean"
    elif rate == single:
        advice = "this is the best single run's: take the mean over the optimizers first"
    else:
        advice = "another learning rate has a higher mean"
    is_best = math.isclose(means[rate], means.max())  # sums in another order may differ
    yield is_best, "no learning rate has a higher mean accuracy", advice


@judge("4.3")
def beyond_chance(answer: Any) -> Judgment:
    """Name the hyperparameters whose correlation chance alone hardly reaches."""
    if not (yield from _with_runs(answer, (SEVERAL, "a list of names"))):
        return
    runs, names = answer
    varied = _varied(runs)
    weights = importance(runs, METRIC, varied)
    names = list(names)
    if unknown := [name for name in names if not isinstance(name, str) or name not in varied]:
        found = given(unknown[0])
        yield False, "", f"the sweep didn't vary {found}: choose from {', '.join(varied)}"
        return
    limit = chance_correlation(len(rank(runs, METRIC)))
    strong = {name for name in varied if abs(weights["correlation"][name]) > limit}
    yield (
        not set(names) - strong,
        "chance alone would hardly reach the correlations in your list",
        "your list has a correlation that chance easily reaches with so few runs: compare it with "
        "`chance_correlation` for the number of ranked runs",
    )
    missed = strong - set(names)
    negative = any(weights["correlation"][name] < 0 for name in missed)
    yield (
        not missed,
        "no other correlation is that strong",
        "a correlation of -0.9 is as strong as one of 0.9: compare absolute values"
        if negative
        else "another correlation exceeds chance too",
    )


@judge("4.4")
def winner(answer: Any) -> Judgment:
    """Find the best run of a table in which runs failed or diverged."""
    if not (yield from _with_runs(answer, (str, "the name of a run"))):
        return
    runs, name = answer
    if name not in set(runs["name"]):
        yield False, "", f"there is no run {name!r}: give a name from the column `name`"
        return
    run = runs.set_index("name").loc[name]
    if run["state"] != "finished":
        yield False, "", f"run {name} is {run['state']}: it never completed"
        return
    if pd.isna(run[METRIC]):
        yield False, "", f"run {name} diverged: its accuracy is not a number"
        return
    yield (
        run[METRIC] == rank(runs, METRIC)[METRIC].iloc[0],
        "no other run that finished with a number is better",
        f"another finished run is better than {name}",
    )


@judge("4.5")
def next_sweep(answer: Any) -> Judgment:
    """Design the sweep that looks closer at the place where the best run is."""
    if not (yield from _with_runs(answer, (Mapping, "your definition"))):
        return
    runs, definition = answer
    if not (yield from sound(definition)) or not (yield from ends(definition, MOST_RUNS)):
        return
    if definition["method"] != "grid":
        yield False, "", "make it a grid: with so few runs, you want to choose the values yourself"
        return
    best = rank(runs, METRIC).iloc[0]
    rates = sorted(grid(definition).get(RATE, []))
    yield (
        len(rates) > 1,
        "it varies the learning rate",
        "the learning rate has only one value: there's nothing to compare",
    )
    if len(rates) < 2:
        return
    yield (
        rates[0] < best[RATE] < rates[-1],
        "the best learning rate so far is between the new ones",
        "all learning rates are on one side of the best one so far: a better one may be on the "
        "other side",
    )
    yield (
        best[RATE] / 10 <= rates[0] and rates[-1] <= best[RATE] * 10,
        "it stays near the best learning rate so far",
        "some learning rates are more than a factor of ten from the best one: stay closer first",
    )
    tried = set(runs[RATE])
    new = [rate for rate in rates if rate not in tried]
    yield (
        len(new) > len(rates) / 2,
        "most of its learning rates are new",
        "you've tried most of its learning rates already: what would you learn?",
    )
    optimizers = set(preview(definition).get("optimizer", []))
    yield (
        optimizers == {best["optimizer"]},
        "every run uses the best run's optimizer",
        "change one thing at a time: give every run the best run's optimizer",
    )


def _are_runs(runs: Any) -> Condition:
    """Check that this is a table of runs, at least one of which can be ranked."""
    if not isinstance(runs, pd.DataFrame) or not set(runs) >= COLUMNS:
        yield False, "", "not a table of runs: give what `fetch_runs` or `rank` returned"
        return False
    if rank(runs, METRIC).empty:
        yield False, "", f"no run in this table finished with a {METRIC}: run the sweep first"
        return False
    return True


def _with_runs(answer: Any, second: tuple[type | tuple[type, ...], str]) -> Condition:
    """Check that an answer consists of a table of runs and another part."""
    fits = yield from parts(answer, (pd.DataFrame, "runs"), second)
    return fits and (yield from _are_runs(answer[0]))


def _varied(runs: pd.DataFrame) -> dict[str, Scale]:
    """Return the scales of what a table of runs varies, as if a sweep had listed the values."""
    columns = [name for name in (RATE, "optimizer") if name in runs]
    values = {name: {"values": runs[name].dropna().unique().tolist()} for name in columns}
    return hyperparameters({"parameters": values})
