"""How a program ends: does its status show failure, does it survive a warning, does it resume?"""

import os
import signal
import time
from dataclasses import dataclass

from workshop.adopt.parameters import Parameter
from workshop.adopt.trials import Point, Trial, Trials

NONSENSE = "no-such-value"
HANDED_BACK = os.EX_TEMPFAIL


@dataclass(frozen=True)
class Observation:
    """What was found, in a sentence.

    Attributes:
        subject: what it is about, in a word or two.
        sentence: what was found, and the next step if there is one.
        is_problem: whether a sweep would suffer from it.
    """

    subject: str
    sentence: str
    is_problem: bool = False


def failure(trials: Trials, usual: Point, parameter: Parameter) -> list[Observation]:
    """Try a value that isn't a number, with which no program can train."""
    trial = trials.one({**usual, parameter.path: NONSENSE})
    given = f"With {parameter.name}={NONSENSE} it"
    if trial.failed:
        return [
            Observation(
                "failure", f"{given} ends with status {trial.status}, which shows the failure."
            )
        ]
    how = "keeps running" if trial.status is None else "ends with status 0"
    return [
        Observation(
            "failure",
            f"{given} {how}, so a run that fails would count as finished: let the error end the "
            "program, or call sys.exit(1).",
            is_problem=True,
        )
    ]


def warning(trials: Trials, usual: Point, whole: Trial) -> list[Observation]:
    """Warn a program as a cluster does before a task's time is up, and start its run again.

    Args:
        trials: starts it.
        usual: the values that it is given.
        whole: a trial with these values, to know how many rows it logs.
    """
    trial = trials.one(usual, warning=signal.SIGUSR1)
    # Python takes signal handlers away when it ends, so a program that was ending may be killed.
    was_over = trial.status in (0, -signal.SIGUSR1) and _rows(trial) >= _rows(whole)
    if not _rows(trial) or was_over:
        return [
            Observation(
                "warning",
                "It ended before a warning (USR1) reached it, so its reaction is unknown; a task "
                "as short as this doesn't need one.",
            )
        ]
    found = [_borne(trial)]
    again = time.time()
    return [*found, _resumed(trial, trials.one(usual, run=trial.run), whole, again)]


def _borne(trial: Trial) -> Observation:
    if trial.status == HANDED_BACK:
        return Observation(
            "warning",
            f"A warning (USR1) ends it with status {HANDED_BACK}: its run can resume later.",
        )
    if trial.status is None:
        return Observation(
            "warning", "A warning (USR1) changes nothing: it keeps running until it's killed."
        )
    if trial.status == 0:
        return Observation(
            "warning",
            "A warning (USR1) ends it with status 0, so a run that was cut off would count as "
            f"finished: call run.mark_preempting(), then end with status {HANDED_BACK}.",
            is_problem=True,
        )
    how = (
        "kills it at once"
        if trial.status == -signal.SIGUSR1
        else f"ends it with status {trial.status}"
    )
    return Observation(
        "warning",
        f"A warning (USR1), which a cluster sends before a task's time is up, {how}, and what it "
        "hasn't saved is lost: handle the signal, save a checkpoint after the current step, and "
        "hand the run back; docs/your_own_program.md has the lines.",
    )


def _resumed(cut: Trial, second: Trial, whole: Trial, again: float) -> Observation:
    """Say what a second start of the same run did with the rows of the first one."""
    rows, began = (second.logged.rows, second.logged.began) if second.logged else ((), None)
    if second.failed:
        return Observation(
            "resume",
            f"Its run can't be started again (status {second.status}: {second.last_words}), so a "
            "run that a cluster cuts off is lost.",
            is_problem=True,
        )
    if began is None or began > again - 1:
        return Observation(
            "resume",
            "When its run is started again, it logs over its old rows: give wandb.init "
            'resume="allow", and load a checkpoint, so that an interrupted run resumes.',
        )
    if len(rows) >= _rows(cut) + _rows(whole) and second.status is not None:
        return Observation(
            "resume",
            "When its run is started again, the old rows stay, and it starts over after them: "
            "load a checkpoint, and log with step= so that a repeated step counts once.",
        )
    return Observation("resume", "When its run is started again, it resumes after its old rows.")


def _rows(trial: Trial) -> int:
    return len(trial.logged.rows) if trial.logged else 0
