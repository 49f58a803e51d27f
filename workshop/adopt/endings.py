"""How a program ends: does its status show failure, what do signals do to it, does it resume?"""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class _Sent:
    """A signal that a program is tried with.

    Attributes:
        signal: which.
        subject: of what is found out.
        name: the beginning of a sentence about it.
        cure: what to do if it cuts a program off, as the end of a sentence.
    """

    signal: signal.Signals
    subject: str
    name: str
    cure: str


WARNING = _Sent(
    signal.SIGUSR1,
    "warning",
    "A warning (USR1)",
    "a cluster sends it before a task's time is up, so handle it, save a checkpoint after the "
    "current step, and hand the run back; docs/your_own_program.md has the lines",
)
TERMINATION = _Sent(
    signal.SIGTERM,
    "termination",
    "SIGTERM, which scancel and a time limit send,",
    "handle it as you handle USR1 if its run should resume after this, too",
)


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
    trial = trials.one(usual, warning=WARNING.signal)
    if _was_over(trial, whole, WARNING):
        return [
            Observation(
                "warning",
                "It ended by itself, so what it does after a warning (USR1) is unknown; a task as "
                "short as this doesn't need one.",
            )
        ]
    return [_borne(trial, WARNING), _resumed(trial, trials.one(usual, run=trial.run), whole)]


def termination(trials: Trials, usual: Point, whole: Trial) -> list[Observation]:
    """Send a program what it gets shortly before it's killed, with the arguments of `warning`.

    Nothing is said of a program that ended before; `warning` says that.
    """
    trial = trials.one(usual, warning=TERMINATION.signal)
    return [] if _was_over(trial, whole, TERMINATION) else [_borne(trial, TERMINATION)]


def _was_over(trial: Trial, whole: Trial, sent: _Sent) -> bool:
    """Say whether a program was ending already when a signal came, or did before it could."""
    # Python takes signal handlers away when it ends, so a program that was ending may be killed.
    is_ended = trial.status in (0, -sent.signal) and _rows(trial) >= _rows(whole)
    return not _rows(trial) or is_ended


def _borne(trial: Trial, sent: _Sent) -> Observation:
    """Say what a signal did to a program."""
    if trial.status == HANDED_BACK:
        told = f"ends it with status {HANDED_BACK}: its run can resume later."
        return Observation(sent.subject, f"{sent.name} {told}")
    if trial.status == 0:
        return Observation(
            sent.subject,
            f"{sent.name} ends it with status 0, so a run that was cut off would count as "
            f"finished: call run.mark_preempting(), then end with status {HANDED_BACK}.",
            is_problem=True,
        )
    how = {
        None: "changes nothing: it runs on until it's killed",
        -sent.signal: "kills it at once",
    }.get(trial.status, f"ends it with status {trial.status}")
    told = f"{how}, and what it hasn't saved is lost: {sent.cure}."
    return Observation(sent.subject, f"{sent.name} {told}")


def _resumed(cut: Trial, second: Trial, whole: Trial) -> Observation:
    """Say what a second start of the same run did with the rows of the first one."""
    if second.failed:
        return Observation(
            "resume",
            f"Its run can't be started again (status {second.status}: {second.last_words}), so a "
            "run that a cluster cuts off is lost.",
            is_problem=True,
        )
    if _began(second) is None or _began(second) != _began(cut):
        return Observation(
            "resume",
            "When its run is started again, it logs over its old rows: give wandb.init "
            'resume="allow", and load a checkpoint, so that an interrupted run resumes.',
        )
    if _starts_over(cut, second, whole):
        return Observation(
            "resume",
            "When its run is started again, the old rows stay, and it starts over after them: "
            "load a checkpoint, and log with step= so that a repeated step counts once.",
        )
    return Observation("resume", "When its run is started again, it resumes after its old rows.")


def _starts_over(cut: Trial, second: Trial, whole: Trial) -> bool:
    """Say whether the rows of a second start begin where those of a whole trial do."""
    if second.status is not None and _rows(second) >= _rows(cut) + _rows(whole):
        return True
    new, usual = _logged(second)[_rows(cut) :], _logged(whole)
    if not new or len(usual) < 2:
        return False
    moving = {key for key in usual[0] if key in new[0] and usual[-1].get(key) != usual[0][key]}
    # An epoch's or a step's number repeats even where results are random.
    counted = {key for key in moving if isinstance(usual[0][key], int)}
    return bool(moving) and all(new[0][key] == usual[0][key] for key in counted or moving)


def _logged(trial: Trial) -> Sequence[Mapping[str, Any]]:
    return trial.logged.rows if trial.logged else ()


def _rows(trial: Trial) -> int:
    return len(_logged(trial))


def _began(trial: Trial) -> float | None:
    return trial.logged.began if trial.logged else None
