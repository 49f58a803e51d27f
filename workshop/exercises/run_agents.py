"""The exercises of step 3: run agents."""

import math
from typing import Any

from workshop.exercises.definition import unchanged
from workshop.exercises.registered import FAILED, find, in_words, points
from workshop.exercises.report import Judgement, judge, parts
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs

RUNS_PER_TASK = 2  # of the array in 3.2


@judge("3.1")
def one_run(path: Any) -> Judgement:
    """Let an agent do one run and end."""
    registered = yield from find(path)
    if registered is None:
        return
    states = registration.states(path)
    total = states.total()
    yield (
        total == 1,
        "the agent took one run and ended",
        "no agent has asked for a run yet"
        if not total
        else f"{total} runs were handed out: an agent goes on until it is told after how many "
        "runs to end",
    )
    yield (
        states["finished"] == total > 0,
        "what was started has finished",
        f"not every run has finished: {in_words(states)}",
    )


@judge("3.2")
def sized(submission: Any) -> Judgement:
    """Size an array whose tasks take two runs each."""
    # Only this exercise needs the part of the package that plans arrays.
    from workshop.run_agents.slurm import Submission

    if not isinstance(submission, Submission):
        kind = type(submission).__name__
        yield False, "", f"this is a {kind}, no plan: give what `slurm.plan` returns"
        return
    registered = yield from find(submission.sweep)
    if registered is None:
        return
    per_task = submission.runs_per_task
    yield (
        per_task == RUNS_PER_TASK,
        "a task takes two runs, one after the other",
        f"a task of this plan takes {per_task} of the runs, not two",
    )
    left = registration.remaining(submission.sweep)
    if not left:
        yield (
            False,
            "",
            "this sweep never ends: plan the array of the exercise's sweep"
            if left is None
            else "the sweep has no runs left: plan an array before they are done",
        )
        return
    wanted = math.ceil(left / RUNS_PER_TASK)
    tasks = submission.tasks
    advice = (
        f"{tasks} tasks are more than the {left} runs that are left need: some would find no "
        "work. Leave the number to `plan`"
        if tasks > wanted
        else f"{tasks} tasks would leave some of the {left} runs undone"
    )
    yield tasks == wanted, f"{tasks} tasks are enough for the {left} runs that are left", advice
    yield (
        submission.at_once <= 2,
        "no more than two tasks run at once",
        f"{submission.at_once} tasks would run at once: leave room for the others in the class",
    )


@judge("3.3")
def complete(path: Any) -> Judgement:
    """Let agents finish a sweep, each run with the values that it was given."""
    registered = yield from find(path)
    if registered is None:
        return
    left = registration.remaining(path)
    yield (
        left == 0,
        "no run is left to hand out",
        "this sweep never ends" if left is None else f"{left} runs were not handed out yet",
    )
    runs = fetch_runs(path)
    unfinished = runs[runs["state"] != "finished"]
    yield (
        unfinished.empty and not runs.empty,
        "every run has finished",
        f"not every run has finished: {in_words(registration.states(path))}",
    )
    if runs.empty or "learning_rate" not in runs:
        return
    used = runs.dropna(subset="Effective Learning Rate")
    yield (
        used["learning_rate"].eq(used["Effective Learning Rate"]).all(),
        "every optimizer got the learning rate that the sweep picked",
        "some optimizers got another learning rate than the sweep picked: compare the columns",
    )


@judge("3.4")
def mended(answer: Any) -> Judgement:
    """Replace a sweep whose runs all fail by one that does the same work and finishes it."""
    if not (yield from parts(answer, (str, "the broken path"), (str, "the new path"))):
        return
    broken = yield from find(answer[0])
    new = yield from find(answer[1])
    if broken is None or new is None:
        return
    if answer[0] == answer[1]:
        yield False, "", "both paths are the broken sweep: it has begun, so register another one"
        return
    wrong = broken.config["parameters"].get("dataset")
    if wrong is None:
        yield False, "", "the first path is not that of the broken sweep, which names its data"
        return
    yield (
        new.config["parameters"].get("dataset") != wrong,
        "the new sweep does not repeat what made the runs fail",
        "the new sweep asks for the same data as the broken one: what does the log of a failed "
        "run say about them?",
    )
    if new.config["method"] != "grid":
        yield False, "", "the new sweep is no grid, so it cannot promise to try the same values"
        return
    lost = len(_work(broken) - _work(new))
    yield (
        not lost,
        "it tries everything that the broken one was to try",
        f"{lost} combinations of the broken sweep are not tried",
    )
    yield from unchanged(new.config, broken.config, "dataset")
    states = registration.states(answer[1])
    failed = sum(states[state] for state in FAILED)
    yield (
        states["finished"] == new.expected_run_count,
        "every run of it has finished",
        f"{failed} of its runs failed as well: read the log again"
        if failed
        else f"it is not done yet: {in_words(states)}",
    )


def _work(registered: Any) -> set[tuple]:
    """Return the combinations of a grid, whatever data it trains on."""
    return {tuple(pair for pair in point if pair[0] != "dataset") for point in points(registered)}
