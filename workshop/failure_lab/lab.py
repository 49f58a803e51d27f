"""The failures: how each breaks a sweep, what it looks like from outside, and its cure.

The failure is told by the sweep's own command, `python -m workshop.failure_lab.program
FAILURE ...`, so that an agent anywhere breaks it in the same way.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweepserver.search.values import closest
from workshop.connection import client_variables
from workshop.define.definition import load
from workshop.errors import WorkshopError
from workshop.initialize import registration
from workshop.run_agents import local
from workshop.run_agents.slurm.cause import last_words

SURPRISE = "surprise"
"""In place of a failure's name: any of them."""

PROGRAM = "workshop.failure_lab.program"

STRUCK = 0.01
"""The learning rate of the runs that a fault of the program strikes."""


@dataclass(frozen=True)
class Failure:
    """A way in which a sweep breaks.

    Attributes:
        broken: what is wrong, for a reader who has found it.
        sign: what it looks like; a reader who suspects it should look for this.
        cure: what to do about it.
        changes: sections of the sweep that differ from those of the other failures.
        tasks: how many agents are started, one after the other.
        count: the number of runs after which each agent ends; None: when nothing is left.
    """

    broken: str
    sign: str
    cure: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    tasks: int = 1
    count: int | None = None


def _varied(*rates: float) -> dict[str, Any]:
    return {"parameters": {"learning_rate": {"values": list(rates)}, "scale": {"value": "tiny"}}}


FAILURES = {
    "metric_name": Failure(
        broken="the sweep judges by `Validation Acuracy`, which no program logs",
        sign="every run finishes with good values, but none can be ranked: the column of the "
        "sweep's metric is empty",
        cure="correct the name and register the sweep anew; `lint` finds it before any run",
        changes=_varied(0.001) | {"metric": {"name": "Validation Acuracy", "goal": "maximize"}},
    ),
    "local_dict": Failure(
        broken="the program trains with the values of its own file, not with the run's config",
        sign="the requested learning rates differ from run to run, the effective ones do not, "
        "and the runs have the same results",
        cure="read every value from the run's config, after `wandb.init`",
    ),
    "diverged": Failure(
        broken="the learning rate is so high that the loss is not a number",
        sign="the run is finished, yet its losses are NaN and its accuracy is that of guessing; "
        "its log says that it diverged",
        cure="nothing is broken: leave the run out, and search lower learning rates",
        changes=_varied(STRUCK, 1e10),
    ),
    "crash": Failure(
        broken="the program fails in epoch 2 of a run",
        sign="one run is failed, has the values of fewer epochs than the others, and its log "
        "ends with an error",
        cure="repair what the last line of the log names; the agent has gone on with other runs",
    ),
    "agent_killed": Failure(
        broken="the agent was killed in the middle of a run",
        sign="an agent ended with the status -9 and no log has an error (in a ledger: its task is "
        "lost); unless another agent was there to take it, a run was never handed out though the "
        "sweep is still running",
        cure="start another agent, which is handed out what is left; of an array, `slurm.repair` "
        "also repeats the run that went down with its task",
    ),
    "duplicate": Failure(
        broken="the search has drawn the same values more than once",
        sign="two runs have the same values, and with the same seed the same results",
        cure="draw from a range instead of a short list, or use a grid, which tries each "
        "combination once",
        changes={"method": "random", "run_cap": 3},
    ),
    "time_limit": Failure(
        broken="a task's time was over before its run was done",
        sign="a run needed two tasks, or two starts of one: a log ends with `preempted`, and what "
        "follows begins with `resumed after epoch 1`; where no task starts twice, the tasks were "
        "too few for the runs",
        cure="give a task the time that a run takes; the run itself has gone on from its "
        "checkpoint, and one more agent does what may be left",
        tasks=2,
        count=1,
    ),
}


def register(failure: str, project: str) -> str:
    """Register a sweep of one to three tiny runs that breaks.

    Args:
        failure: a key of `FAILURES`, or `surprise`.
        project: where the sweep is registered.

    Returns:
        The sweep's path, `entity/project/ID`.

    Raises:
        WorkshopError: there is no such failure.
    """
    import wandb

    if failure == SURPRISE:
        failure = random.choice(list(FAILURES))  # noqa: S311 - nothing depends on it
    definition = load("configs/sweep_config.yaml") | _varied(STRUCK, 0.001)
    definition |= _known(failure).changes
    definition["command"] = ["${env}", "python", "-m", PROGRAM, failure, "${args}"]
    # As `wandb sweep` does it, without the linter, which would find some of what is wrong.
    with client_variables.restored():
        sweep_id = wandb.sweep(definition, project=project)
    return f"{wandb.Api().default_entity}/{project}/{sweep_id}"


def run_agents(path: str) -> list[Path]:
    """Start agents on this machine for a sweep of this lab; what becomes of them is printed.

    Returns:
        The agents' log files.
    """
    failure = FAILURES[_name(path)]
    try:
        return local.run_processes(path, failure.tasks, at_once=1, count=failure.count)
    except WorkshopError as error:
        print(f"error: {error}")
        return sorted(local.log_folder(path).glob("*.log"))


def remarkable(log: Path) -> list[str]:
    """Return the lines of an agent's log that say how its runs went on and ended."""
    text = log.read_text()
    starts = ("resumed after", "preempted:", "diverged:")
    lines = [line for line in text.splitlines() if line.startswith(starts)]
    return [*lines, words] if (words := last_words(text)) else lines


def diagnose(path: str, diagnosis: str) -> bool:
    """Say whether a sweep of this lab suffers from what a reader thinks; print why, or what not.

    Args:
        path: the sweep, `entity/project/ID`.
        diagnosis: a key of `FAILURES`.

    Raises:
        WorkshopError: there is no such failure, or no such sweep.
    """
    suspected = _known(diagnosis)
    right = diagnosis == _name(path)
    if right:
        print(f"right: {suspected.broken}\nwhat to do: {suspected.cure}")
    else:
        print(f"not {diagnosis}, for which one would see this: {suspected.sign}")
    return right


def _known(failure: str) -> Failure:
    if failure not in FAILURES:
        raise WorkshopError(
            f"there is no failure {failure!r}{closest(failure, FAILURES)}: "
            f"choose from {', '.join(FAILURES)}, or {SURPRISE}"
        )
    return FAILURES[failure]


def _name(path: str) -> str:
    """Return the failure that a registered sweep was made for."""
    command = registration.get(path).config.get("command") or []
    if PROGRAM not in command:
        raise WorkshopError(f"sweep {path} is none of the failure lab: register one there first")
    return command[command.index(PROGRAM) + 1]
