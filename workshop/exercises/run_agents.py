"""The exercises of step 3: run agents."""

import math
import re
from typing import Any

from workshop.analyze.checks import overhead
from workshop.define.search_space import parameters
from workshop.exercises.definition import unchanged
from workshop.exercises.registered import FAILED, find, in_words, points
from workshop.exercises.report import Condition, Judgment, judge, parts
from workshop.initialize import registration
from workshop.initialize.run_tables import fetch_runs
from workshop.run_agents import slurm
from workshop.trainer.metrics import EFFECTIVE_LEARNING_RATE
from workshop.wording import count

RUNS_PER_TASK = 2  # in 3.2's array
GB_PER_TASK, GB = 8, 8  # memory of a task in 3.5, and of all that run at once


@judge("3.1")
def one_run(path: Any) -> Judgment:
    """Judge a sweep from which an agent took one run."""
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
        else f"{total} runs were handed out, not one: start one agent, and tell it after how many "
        "runs to stop",
    )
    yield (
        states["finished"] == total > 0,
        "the run has finished",
        f"not every run has finished: {in_words(states)}",
    )


@judge("3.2")
def sized(submission: Any) -> Judgment:
    """Judge an array whose tasks do two runs each."""
    if not (yield from _is_plan(submission)):
        return
    per_task = submission.runs_per_task
    yield (
        per_task == RUNS_PER_TASK,
        "each task does two runs, one after the other",
        f"in this plan, each task does {_runs(per_task)}, not two",
    )
    left = registration.remaining(submission.sweep)
    if not left:
        yield (
            False,
            "",
            "this sweep never ends: plan the array of the exercise's sweep"
            if left is None
            else "the sweep has no runs left: plan the array before they're done",
        )
        return
    if per_task == RUNS_PER_TASK:
        yield from _enough(submission.tasks, left)
    yield (
        submission.at_once <= 2,
        "no more than two tasks run at once",
        f"{submission.at_once} tasks would run at once: leave room for the rest of the class",
    )


def _enough(tasks: int, left: int) -> Judgment:
    """Check that as many tasks were planned as the remaining runs need."""
    wanted = math.ceil(left / RUNS_PER_TASK)
    advice = (
        f"{count(tasks, 'task is', 'tasks are')} too many for the remaining {_runs(left)}: some "
        "would find no work. Let `plan` choose the number"
        if tasks > wanted
        else f"{count(tasks, 'task')} would leave some of the remaining {_runs(left)} undone"
    )
    enough = f"{count(tasks, 'task is', 'tasks are')} enough for the remaining {_runs(left)}"
    yield tasks == wanted, enough, advice


@judge("3.3")
def complete(path: Any) -> Judgment:
    """Judge a sweep that agents finished, each run with the values that it was given."""
    registered = yield from find(path)
    if registered is None:
        return
    left = registration.remaining(path)
    yield (
        left == 0,
        "every run was handed out",
        "this sweep never ends"
        if left is None
        else f"{count(left, 'run was', 'runs were')} not handed out yet",
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
    used = runs.dropna(subset=EFFECTIVE_LEARNING_RATE)
    yield (
        used["learning_rate"].eq(used[EFFECTIVE_LEARNING_RATE]).all(),
        "every optimizer got the learning rate that the sweep picked",
        "some optimizers got a different learning rate than the sweep picked: compare the columns",
    )


@judge("3.4")
def mended(answer: Any) -> Judgment:
    """Judge a sweep that replaces one whose runs all fail, and finishes the same work."""
    if not (yield from parts(answer, (str, "the broken path"), (str, "the new path"))):
        return
    broken = yield from find(answer[0], "the broken sweep")
    new = yield from find(answer[1], "the new sweep")
    if broken is None or new is None:
        return
    if answer[0] == answer[1]:
        yield False, "", "both paths are the broken sweep: it has started, so register a new one"
        return
    wrong = parameters(broken.config).get("dataset")
    if wrong is None:
        yield False, "", "the first path isn't the broken sweep's, which has a parameter dataset"
        return
    place, other = (path.split("/")[1] for path in answer)
    yield (
        place == other,
        "it's in the broken sweep's project",
        f"the new sweep is in the project {other}: register it in {place}, as the broken one, and "
        f"cancel this one, because the exercises of step 4 use the newest sweep of {other}",
    )
    yield (
        parameters(new.config).get("dataset") != wrong,
        "the new sweep doesn't repeat what made the runs fail",
        "the new sweep uses the same data as the broken one: what does the log of a failed run "
        "say about them?",
    )
    if new.config["method"] != "grid":
        yield False, "", "the new sweep isn't a grid, so it may not try the same values"
        return
    lost = len(_work(broken) - _work(new))
    yield (
        not lost,
        "it tries everything the broken one should have tried",
        f"{count(lost, 'combination is', 'combinations are')} missing of those in the broken sweep",
    )
    yield from unchanged(new.config, broken.config, "dataset")
    states = registration.states(answer[1])
    failed = sum(states[state] for state in FAILED)
    yield (
        states["finished"] == new.expected_run_count,
        "all its runs have finished",
        f"{failed} of its runs failed too: read the log again"
        if failed
        else f"it isn't done yet: {in_words(states)}",
    )


@judge("3.5")
def throttled(submission: Any) -> Judgment:
    """Judge an array that uses half of the rehearsal cluster's memory, with tasks of 8 GB."""
    if not (yield from _is_plan(submission)):
        return
    yield (
        submission.site == slurm.REHEARSAL,
        "it's for the rehearsal cluster",
        f"it's for the site {submission.site}, not for rehearsal",
    )
    yield (
        submission.runs_per_task == 1,
        "each task does one run",
        f"in this plan, each task does {_runs(submission.runs_per_task)}, not one",
    )
    memory = submission.options.get("mem", "")
    yield (
        _megabytes(memory) == 1024 * GB_PER_TASK,
        f"a task has {GB_PER_TASK} GB",
        f"in this plan, a task has {memory or 'no amount'} of memory, not {GB_PER_TASK}G: set "
        "`sbatch`'s option for it",
    )
    used = submission.at_once * GB_PER_TASK
    yield (
        used == GB,
        f"together, tasks of {GB_PER_TASK} GB never use more than {GB} of the {2 * GB} GB",
        f"{submission.at_once} tasks of {GB_PER_TASK} GB at once use {used} of the {2 * GB} GB, "
        "but half of the memory is your colleague's",
    )


@judge("3.6")
def submitted(path: Any) -> Judgment:
    """Judge a sweep that ran as an array, one task at a time."""
    registered = yield from find(path)
    if registered is None:
        return
    ledger = slurm.ledger(path)
    yield (
        len(ledger) > 0,
        "an array was submitted for the sweep",
        "no array was submitted for this sweep: pass your plan to `slurm.submit`",
    )
    if ledger.empty:
        return
    working = ledger["kind"].isin(slurm.LIVE).sum()
    yield (
        working == 0,
        "all its tasks have ended",
        f"{working} of its tasks {'has' if working == 1 else 'have'} not ended: wait for the end",
    )
    states = registration.states(path)
    yield (
        states["finished"] == registered.expected_run_count,
        "every run has finished",
        f"not every run has finished: {in_words(states)}",
    )
    at_once = overhead(fetch_runs(path))["at once"]
    yield (
        at_once <= GB // GB_PER_TASK,
        "no more tasks ran at once than there was memory for",
        f"{at_once:.0f} runs ran at once: they used more than your half of the memory",
    )


@judge("3.7")
def repaired(answer: Any) -> Judgment:
    """Judge whether the failed task of an array was found, and its run was repaired."""
    if not (yield from parts(answer, (str, "the sweep's path"), (str, "the task's name"))):
        return
    path, task = answer
    registered = yield from find(path)
    if registered is None:
        return
    ledger = slurm.ledger(path)
    ends = ledger.loc[ledger["task"] == task, "slurm"].tolist()
    if not ends:
        known = ", ".join(ledger["task"]) or "no task"
        yield False, "", f"the ledger has no task {task!r}: it has {known}"
        return
    yield (
        ends[0] == "TIMEOUT",
        "this task was ended at its time limit",
        f"in SLURM, this task's state is {ends[0]}: which task didn't finish its run?",
    )
    found = slurm.gaps(path)
    yield (
        found.done == found.expected,
        "the sweep is complete",
        f"{found.done} of {found.expected} points are done: submit what is missing with "
        "`slurm.repair`, and wait for it",
    )
    yield (
        not found.duplicated,
        "no point was run twice",
        "a point was run twice: a repair would have resumed the run that was cut off",
    )


def _runs(number: int | str) -> str:
    """Return a number of runs in words; `all` is a plan's own word."""
    return "all runs" if number == "all" else count(int(number), "run")


def _megabytes(memory: object) -> int | None:
    """Return an amount of memory as `sbatch` reads it: 8192, 8G and 8gb are the same."""
    found = re.fullmatch(r"(\d+)(?:([MGT])B?)?", str(memory).upper())
    if not found:
        return None
    return int(found[1]) * {"M": 1, "G": 1024, "T": 1024**2}[found[2] or "M"]


def _is_plan(submission: Any) -> Condition:
    """Check that this is the plan of an array, for a sweep on the server."""
    if not isinstance(submission, slurm.Submission):
        kind = type(submission).__name__
        yield False, "", f"this is a {kind}, not a plan: give what `slurm.plan` returns"
        return False
    return (yield from find(submission.sweep)) is not None


def _work(registered: Any) -> set[tuple]:
    """Return the combinations of a grid, without the data set."""
    return {tuple(pair for pair in point if pair[0] != "dataset") for point in points(registered)}
